# PSPNet on ResNet-50, synchronised BN throughout, on ADE20K.
_base_ = [
    '_base_/models/pspnet_r50.py',
    '_base_/datasets/ade20k.py',
    '_base_/schedules/pspnet_150k.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    decode_head=dict(num_classes=_base_.num_classes),
    auxiliary_head=dict(num_classes=_base_.num_classes),
)
