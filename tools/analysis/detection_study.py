"""Whether SW helps detection, also on pictures unlike the training's.

sw_mmseg/commands/analysis/detection_study.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis detection_study'))
