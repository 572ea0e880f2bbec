# The same with SW of {bw, iw} at the five sites.
_base_ = './bn_jitter_streets.py'
model = dict(backbone=dict(norm_cfg=dict(type='SW')))
