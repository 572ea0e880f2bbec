# ResNet-101 with BN on ImageNet.
_base_ = './bn_resnet50_imagenet.py'
model = dict(backbone=dict(depth=101))
