# Table 3: BW at 14 sites of the ResNet-50.
_base_ = './bn_fcn_ade20k.py'
model = dict(backbone=dict(site_norm_cfg=dict(type='BW')))
