"""Error on ImageNet of the authors' released models, expected against measured.

sw_mmseg/commands/analysis/released_error.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis released_error'))
