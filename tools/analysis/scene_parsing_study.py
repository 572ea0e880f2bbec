"""Which norm parses scenes best, as far as two CPU cores can tell.

sw_mmseg/commands/analysis/scene_parsing_study.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis scene_parsing_study'))
