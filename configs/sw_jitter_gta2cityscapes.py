# The same with SW of {bw, iw} at the five sites.
_base_ = './bn_jitter_gta2cityscapes.py'
model = dict(backbone=dict(norm_cfg=dict(type='SW')))
