# What labels of the target would give: the small network, trained on dusk with labels, disturbed as sources are.
_base_ = './bn_sourceonly_camvid_day2dusk.py'
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            _delete_=True,
            type='ClassMix',
            dataset=dict(
                type='CamVidDataset',
                data_root='data/camvid',
                split='train',
                sequences=['0001TP'],
                pipeline=_base_.disturbed_pipeline)),
        rare_class_sampling=_base_.rare_class_sampling))
