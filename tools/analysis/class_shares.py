"""How often each class occurs in a two-domain set: see sw_mmseg/commands/analysis/class_shares.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis class_shares'))
