# Adaptation of the small network on streets: disturbed labelled source images beside the target's unlabelled ones
# (streets2cameras_sourceonly.py has the rest).
_base_ = './streets2cameras_sourceonly.py'
target_pipeline = [dict(type='LoadImage'), dict(type='RandomFlip', prob=0.5), dict(type='PackSegInputs')]
still_pipeline = [
    dict(type='LoadImage'),
    dict(type='PackSegInputs'),
]  # for methods that keep what they made of an image
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='DomainPair',
        source={{_base_.disturbed_source}},
        rare_class_sampling={{_base_.rare_class_sampling}},
        target=dict(
            type='UnlabelledImages',
            data_root=f'{_base_.data_root}/cityscapes',
            img_dir='leftImg8bit/train',
            pipeline=target_pipeline,
        ),
    )
)
