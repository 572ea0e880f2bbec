# Source only in disturbed light and colours: no target image is seen, but pictures unlike the source's are.
_base_ = './bn_sourceonly_streets.py'
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            pipeline=[
                dict(type='LoadImage'),
                dict(type='LoadLabels'),
                dict(type='RandomFlip', prob=0.5),
                dict(type='PhotoMetricDistortion'),
                dict(type='PackSegInputs'),
            ]
        )
    )
)
