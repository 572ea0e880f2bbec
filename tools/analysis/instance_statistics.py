"""Which pictures a norm's batch statistics fit least: see sw_mmseg/commands/analysis/instance_statistics.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis instance_statistics'))
