"""Stylise a picture, a folder of pictures or a video: see sw_mmseg/commands/stylize.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('stylize'))
