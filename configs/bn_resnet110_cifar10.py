# ResNet-110 with BN on CIFAR-10. Like He et al., it begins with 400 iterations at a tenth of the learning rate.
_base_ = './bn_resnet20_cifar10.py'
model = dict(backbone=dict(depth=110))
param_scheduler = [dict(type='ConstantLR', factor=0.1, begin=0, end=400, by_epoch=False), _base_.steps]
