"""The main job in minutes, without a GPU, networks that fail on a new domain, and what adapts them.

sw_mmseg/commands/demo.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('demo'))
