# The same with SW of {bw, iw} at the sites.
_base_ = './bn_resnet110_cifar10.py'
model = dict(backbone=dict(site_norm_cfg=dict(type='SW')))
