# The same with SW of all five statistics at the sites.
_base_ = './bn_resnet20_cifar100.py'
model = dict(backbone=dict(site_norm_cfg=dict(type='SW', statistics=('bw', 'iw', 'bn', 'in', 'ln'))))
