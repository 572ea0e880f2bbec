# Table 5, SWa svd: sw7_fcn_cityscapes.py with the inverse square root by eigendecomposition.
_base_ = './sw7_fcn_cityscapes.py'
norm = dict(type='SW', inverse_sqrt='eigh')
model = dict(backbone=dict(site_norm_cfg=norm))
