# The same with instance normalisation at the five sites.
_base_ = './bn_fda_streets.py'
model = dict(segmentor=dict(backbone=dict(norm_cfg=dict(type='IN', affine=True))))
