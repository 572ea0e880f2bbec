# Table 3: SN at 14 sites of the ResNet-50.
_base_ = './bn_fcn_cityscapes.py'
model = dict(backbone=dict(site_norm_cfg=dict(type='SN')))
