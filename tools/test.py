"""Test a checkpoint: see sw_mmseg/commands/test.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('test'))
