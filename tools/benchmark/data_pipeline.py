"""Images a second a core that a config's training pipeline makes, and where the time goes.

sw_mmseg/commands/benchmark/data_pipeline.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('benchmark data_pipeline'))
