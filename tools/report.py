"""One HTML file about finished runs: see sw_mmseg/commands/report.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('report'))
