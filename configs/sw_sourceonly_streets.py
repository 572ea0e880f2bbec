# bn_sourceonly_streets.py with SWa, {bw, iw}, at the five sites.
_base_ = './bn_sourceonly_streets.py'
norm = dict(type='SW')
model = dict(backbone=dict(norm_cfg=norm))
