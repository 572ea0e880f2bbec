"""Write a trained network as one file: see sw_mmseg/commands/export.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('export'))
