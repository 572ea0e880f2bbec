# DenseNet-121 on ImageNet with SWa, {bw, iw}, where the authors' released model has it.
_base_ = [
    '_base_/models/densenet_imagenet.py',
    '_base_/datasets/imagenet.py',
    '_base_/schedules/imagenet_100e.py',
]
norm = dict(type='SW')
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(site_norm_cfg=norm),
    head=dict(num_classes=_base_.num_classes),
)
