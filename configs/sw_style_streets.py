# The same with SW of {bw, iw}.
_base_ = './bn_style_streets.py'
model = dict(network=dict(norm_cfg=dict(type='SW')))
