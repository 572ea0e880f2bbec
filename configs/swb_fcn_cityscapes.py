# Table 3: SWb, all five statistics, at 14 sites of the ResNet-50.
_base_ = './bn_fcn_cityscapes.py'
model = dict(backbone=dict(site_norm_cfg=dict(type='SW', statistics=('bw', 'iw', 'bn', 'in', 'ln'))))
