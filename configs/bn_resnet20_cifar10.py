# ResNet-20 with BN on CIFAR-10.
_base_ = [
    '_base_/models/resnet_cifar.py',
    '_base_/datasets/cifar10.py',
    '_base_/schedules/cifar_64k.py',
]
model = dict(data_preprocessor=_base_.data_preprocessor, head=dict(num_classes=_base_.num_classes))
