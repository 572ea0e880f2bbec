# Adaptation from drawn streets to photographs: disturbed labelled source images beside CamVid's training photographs
# without labels (streets2camvid_sourceonly.py has the rest).
_base_ = './streets2camvid_sourceonly.py'
target_pipeline = [
    dict(type='LoadImage'),
    dict(type='Resize', scale={{_base_.size}}, keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
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
        target=dict(type='UnlabelledCamVid', data_root='data/camvid', split='train', pipeline=target_pipeline),
    )
)
