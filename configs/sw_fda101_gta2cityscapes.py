# The same with SW of {bw, iw} behind the first and every third convolution, not in the last stage.
_base_ = './bn_fda101_gta2cityscapes.py'
model = dict(segmentor=dict(backbone=dict(site_norm_cfg=dict(type='SW'))))
