# The same with instance normalisation.
_base_ = './bn_style_streets.py'
model = dict(network=dict(norm_cfg=dict(_delete_=True, type='IN')))
