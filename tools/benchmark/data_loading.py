"""Whether reading keeps up with training: see sw_mmseg/commands/benchmark/data_loading.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('benchmark data_loading'))
