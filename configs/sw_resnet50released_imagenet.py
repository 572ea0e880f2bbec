# ResNet-50 as the authors released it: SW in the stem and in the middle of every second block of a stage, counted from
# the stage's second. Its weights come through tools/model_converters/switchable_whitening.py.
_base_ = './sw_resnet50_imagenet.py'
model = dict(
    backbone=dict(
        at=[
            'bn1',
            *(
                f'layer{stage}.{block}.bn2'
                for stage, blocks in enumerate((3, 4, 6), 1)
                for block in range(1, blocks, 2)
            ),
        ]
    )
)
