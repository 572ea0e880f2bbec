# What labels of the target would give the small network: the source-only training with the camera's own labelled
# pictures, disturbed as those of the source are.
_base_ = './bn_jittersmall_streets.py'
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            _delete_=True,
            type='RawCityscapesDataset',
            data_root=f'{_base_.data_root}/cityscapes',
            split='train',
            pipeline=_base_.disturbed_pipeline,
        )
    )
)
