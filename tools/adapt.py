"""Make a network trained on your labelled images work on your unlabelled ones: see sw_mmseg/commands/adapt.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('adapt'))
