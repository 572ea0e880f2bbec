# Table 5, SWa iterative: 7 sites, as on ImageNet. bn_fcn_cityscapes.py is the table's BN.
_base_ = './bn_fcn_cityscapes.py'
norm = dict(type='SW')
model = dict(backbone=dict(every=6, site_norm_cfg=norm))
