# What labels of the target would give: the source-only training with the camera's own labelled pictures.
_base_ = './bn_sourceonly_streets.py'
train_dataloader = dict(
    dataset=dict(dataset=dict(type='RawCityscapesDataset', data_root=f'{_base_.data_root}/cityscapes', split='train'))
)
