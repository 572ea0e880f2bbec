# ResNet-44 with BN on CIFAR-10.
_base_ = './bn_resnet20_cifar10.py'
model = dict(backbone=dict(depth=44))
