# ResNet-20 with BN on scikit-learn's digits.
_base_ = [
    '_base_/models/resnet_cifar.py',
    '_base_/datasets/digits.py',
    '_base_/schedules/small_images.py',
]
model = dict(data_preprocessor=_base_.data_preprocessor, head=dict(num_classes=_base_.num_classes))
