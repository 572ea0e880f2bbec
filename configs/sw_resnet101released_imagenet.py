# ResNet-101 as the authors released it, see sw_resnet50released_imagenet.py.
_base_ = './bn_resnet101_imagenet.py'
norm = dict(type='SW')
model = dict(
    backbone=dict(
        site_norm_cfg=norm,
        at=[
            'bn1',
            *(
                f'layer{stage}.{block}.bn2'
                for stage, blocks in enumerate((3, 4, 23), 1)
                for block in range(1, blocks, 2)
            ),
        ],
    )
)
