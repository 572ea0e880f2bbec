# What labels of the target would give: the small network, trained on photographs with labels, disturbed as sources are.
_base_ = './bn_sourceonly_streets2camvid.py'
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            _delete_=True,
            type='CamVidDataset',
            data_root='data/camvid',
            split='train',
            pipeline=_base_.disturbed_pipeline,
        ),
        rare_class_sampling=_base_.rare_class_sampling,
    )
)
