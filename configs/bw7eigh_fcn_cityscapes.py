# Table 5, BW svd: 7 sites, the inverse square root by eigendecomposition.
_base_ = './bn_fcn_cityscapes.py'
norm = dict(type='BW', inverse_sqrt='eigh')
model = dict(backbone=dict(every=6, site_norm_cfg=norm))
