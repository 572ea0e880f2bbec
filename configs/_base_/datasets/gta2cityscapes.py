# Adaptation: labelled GTA5 beside unlabelled Cityscapes training pictures, one of each a batch (AdaptSegNet's sizes,
# see gta5.py). The target is read as a plain folder of pictures; labels that lie beside it are not looked at.
_base_ = './gta5.py'
target_pipeline = [
    dict(type='LoadImage'),
    dict(type='Resize', scale={{_base_.target_size}}, keep_ratio=False),
    dict(type='PackSegInputs')]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='DomainPair',
        source={{_base_.source}},
        target=dict(
            type='UnlabelledImages',
            data_root='data/cityscapes',
            img_dir='leftImg8bit/train',
            pipeline=target_pipeline)))
