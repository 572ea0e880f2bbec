"""Train a network: see sw_mmseg/commands/train.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('train'))
