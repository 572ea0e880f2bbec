"""Make the weights that come with the package.

sw_mmseg/commands/model_converters/publish_weights.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('model_converters publish_weights'))
