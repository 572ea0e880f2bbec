# The same with SW of all five statistics at the five sites.
_base_ = './bn_dacs_streets.py'
model = dict(segmentor=dict(backbone=dict(norm_cfg=dict(type='SW', statistics=('bw', 'iw', 'bn', 'in', 'ln')))))
