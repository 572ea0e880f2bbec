# Adaptation on streets: the game's labelled pictures beside the camera's unlabelled ones (streets_sourceonly.py has the
# rest). The source samples are those that a source-only run of the same seed sees, in the same order.
_base_ = './streets_sourceonly.py'
target_pipeline = [dict(type='LoadImage'), dict(type='RandomFlip', prob=0.5), dict(type='PackSegInputs')]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='DomainPair',
        source={{_base_.source}},
        target=dict(
            type='UnlabelledImages',
            data_root=f'{_base_.data_root}/cityscapes',
            img_dir='leftImg8bit/train',
            pipeline=target_pipeline,
        ),
    )
)
