"""How white a trained network's SW layers leave two domains: see sw_mmseg/commands/analysis/whiteness.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis whiteness'))
