# The same with SW of {bw, iw} at the five sites.
_base_ = './bn_fda_gta2cityscapes.py'
model = dict(segmentor=dict(backbone=dict(norm_cfg=dict(type='SW'))))
