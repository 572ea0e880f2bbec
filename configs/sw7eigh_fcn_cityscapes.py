# Table 5, SWa svd: the inverse square root by eigendecomposition.
_base_ = './sw7_fcn_cityscapes.py'
model = dict(backbone=dict(site_norm_cfg=dict(inverse_sqrt='eigh')))
