# Adaptation: labelled GTA5 beside unlabelled Cityscapes training pictures, one of each a batch (AdaptSegNet's sizes,
# see gta5.py). The target is read as a plain folder of pictures; labels that lie beside it are not looked at.
#
# One image of each domain is the published setting, not a good one for SW: batch and instance statistics are then the
# same in training, so nothing moves the switches, and they end at one half. We recommend two of each, and statistics of
# the target (`both` was worse in our study, docs/adaptation.md); where the method has `statistics_from`:
#   --cfg-options train_dataloader.batch_size=2 model.statistics_from=target
_base_ = './gta5.py'
target_pipeline = [
    dict(type='LoadImage'),
    dict(type='Resize', scale={{_base_.target_size}}, keep_ratio=False),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='DomainPair',
        source={{_base_.source}},
        target=dict(
            type='UnlabelledImages', data_root='data/cityscapes', img_dir='leftImg8bit/train', pipeline=target_pipeline
        ),
    )
)
