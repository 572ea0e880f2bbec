# The same with batch whitening at the five sites.
_base_ = './bn_dacs_streets.py'
model = dict(segmentor=dict(backbone=dict(norm_cfg=dict(type='BW'))))
