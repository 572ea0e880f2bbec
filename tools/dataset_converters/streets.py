"""Makes the streets data set: see sw_mmseg/commands/dataset_converters/streets.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('dataset_converters streets'))
