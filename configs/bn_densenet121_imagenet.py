# DenseNet-121 with BN on ImageNet.
_base_ = [
    '_base_/models/densenet_imagenet.py',
    '_base_/datasets/imagenet.py',
    '_base_/schedules/imagenet_100e.py',
]
model = dict(data_preprocessor=_base_.data_preprocessor, head=dict(num_classes=_base_.num_classes))
