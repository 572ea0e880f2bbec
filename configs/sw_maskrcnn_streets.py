# syncbn_maskrcnn_streets.py with SWa, {bw, iw}, at the seven sites; BN elsewhere.
_base_ = './syncbn_maskrcnn_streets.py'
norm = dict(type='SW')
model = dict(backbone=dict(site_norm_cfg=norm))
