# bn_resnet20_digits.py with SWa, {bw, iw}, behind convolutions 1, 4, 8, 12 and 16.
_base_ = './bn_resnet20_digits.py'
norm = dict(type='SW')
model = dict(backbone=dict(site_norm_cfg=norm))
