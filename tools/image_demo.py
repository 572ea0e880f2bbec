"""See what a network sees: see sw_mmseg/commands/image_demo.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('image_demo'))
