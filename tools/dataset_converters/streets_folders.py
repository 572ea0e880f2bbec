"""Streets as a user's own plain folders, to try tools/adapt.py on.

sw_mmseg/commands/dataset_converters/streets_folders.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('dataset_converters streets_folders'))
