# Source only in disturbed light and colours: no target image is seen, but pictures unlike the source's are.
_base_ = './bn_sourceonly_gta2cityscapes.py'
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            pipeline=[
                dict(type='LoadImage'),
                dict(type='LoadLabels', mismatch='resize'),
                dict(type='Resize', scale={{_base_.source_size}}, keep_ratio=False),
                dict(type='PhotoMetricDistortion'),
                dict(type='PackSegInputs'),
            ]
        )
    )
)
