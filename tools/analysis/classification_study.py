"""Norms compared on small images, several seeds each: see sw_mmseg/commands/analysis/classification_study.py."""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis classification_study'))
