# ResNet-50 on ImageNet with SWa, {bw, iw}, at seven sites (Section 4.1).
_base_ = './bn_resnet50_imagenet.py'
norm = dict(type='SW')
model = dict(backbone=dict(site_norm_cfg=norm))
