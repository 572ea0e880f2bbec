# Table 3: SWa, {bw, iw}, at 14 sites of the ResNet-50.
_base_ = './bn_fcn_ade20k.py'
norm = dict(type='SW')
model = dict(backbone=dict(site_norm_cfg=norm))
