# The same with instance normalisation at the five sites.
_base_ = './bn_jitter_streets.py'
model = dict(backbone=dict(norm_cfg=dict(type='IN', affine=True)))
