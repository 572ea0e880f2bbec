# The same with instance whitening.
_base_ = './bn_style_streets.py'
model = dict(network=dict(norm_cfg=dict(type='IW')))
