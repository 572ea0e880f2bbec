"""Convert an ImageNet model that the paper's authors released.

sw_mmseg/commands/model_converters/switchable_whitening.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('model_converters switchable_whitening'))
