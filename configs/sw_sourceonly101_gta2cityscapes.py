# The same with SW of {bw, iw} behind the first and every third convolution, not in the last stage.
_base_ = './bn_sourceonly101_gta2cityscapes.py'
model = dict(backbone=dict(site_norm_cfg=dict(type='SW')))
