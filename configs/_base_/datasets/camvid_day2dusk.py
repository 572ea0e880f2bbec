# Adaptation from day to dusk: disturbed labelled photographs by day beside unlabelled ones at dusk
# (camvid_day2dusk_sourceonly.py has the rest).
_base_ = './camvid_day2dusk_sourceonly.py'
still_pipeline = [  # for methods that keep what they made of an image
    dict(type='LoadImage'),
    dict(type='Resize', scale={{_base_.size}}, keep_ratio=False),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='DomainPair',
        source={{_base_.disturbed_source}},
        rare_class_sampling={{_base_.rare_class_sampling}},
        target=dict(
            type='UnlabelledCamVid',
            data_root='data/camvid',
            split='train',
            sequences=['0001TP'],
            pipeline=still_pipeline,
        ),
    )
)
