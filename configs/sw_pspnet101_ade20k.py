# Table 4, PSPNet101-SWa: SWa, {bw, iw}, at 31 sites of the ResNet-101.
_base_ = './bn_pspnet101_ade20k.py'
model = dict(backbone=dict(site_norm_cfg=dict(type='SW')))
