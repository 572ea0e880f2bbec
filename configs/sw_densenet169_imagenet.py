# DenseNet-169 on ImageNet with SWa, {bw, iw}, where the authors' released model has it.
_base_ = './sw_densenet121_imagenet.py'
model = dict(
    backbone=dict(
        arch='169',
        at=[
            'stem.1',
            *(
                f'stages.{block}.block.{layer}.norm1'
                for block, layers in enumerate((6, 12, 32))
                for layer in range(0, layers, 3)
            ),
        ],
    ),
    head=dict(in_channels=1664),
)
