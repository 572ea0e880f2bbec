# The same with SW of all five statistics.
_base_ = './bn_style_streets.py'
model = dict(network=dict(norm_cfg=dict(type='SW', statistics=('bw', 'iw', 'bn', 'in', 'ln'))))
