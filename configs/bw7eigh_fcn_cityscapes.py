# Table 5, BW svd: 7 sites, the inverse square root by eigendecomposition.
_base_ = './bw_fcn_cityscapes.py'
model = dict(backbone=dict(every=6, site_norm_cfg=dict(inverse_sqrt='eigh')))
