# Scene parsing on streets: a narrow PSPNet, BN throughout, minutes on two CPU cores.
_base_ = [
    '_base_/models/pspnet_r50_narrow.py',
    '_base_/datasets/streets_scenes.py',
    '_base_/schedules/streets_scenes.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    decode_head=dict(num_classes=_base_.num_classes),
    auxiliary_head=dict(num_classes=_base_.num_classes),
)
