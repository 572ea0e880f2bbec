# The same with SWb, all five statistics, at 14 sites of the ResNet-50.
_base_ = './bn_pspnet_streets.py'
model = dict(backbone=dict(site_norm_cfg=dict(type='SW', statistics=('bw', 'iw', 'bn', 'in', 'ln'))))
