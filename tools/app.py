"""A page to play with, in your browser.

sw_mmseg/commands/app.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('app'))
