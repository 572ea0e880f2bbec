"""See what training sees: see sw_mmseg/commands/analysis/browse_dataset.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis browse_dataset'))
