# bn_adaptsegnet_streets.py with SWa, {bw, iw}, at the five sites.
_base_ = './bn_adaptsegnet_streets.py'
norm = dict(type='SW')
model = dict(segmentor=dict(backbone=dict(norm_cfg=norm)))
