# Table 4, PSPNet101*: bn_pspnet_ade20k.py on ResNet-101.
_base_ = './bn_pspnet_ade20k.py'
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='torchvision://resnet101')))
