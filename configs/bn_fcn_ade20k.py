# Table 3, ResNet50-BN on ADE20K: the dilated ResNet-50 with a plain classifier.
_base_ = [
    '_base_/models/fcn_r50.py',
    '_base_/datasets/ade20k.py',
    '_base_/schedules/pspnet_150k.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    decode_head=dict(num_classes=_base_.num_classes),
    auxiliary_head=dict(num_classes=_base_.num_classes),
)
