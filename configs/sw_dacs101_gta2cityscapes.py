# The same with SW of {bw, iw} behind the first and every third convolution, not in the last stage, as for PSPNet101.
_base_ = './bn_dacs101_gta2cityscapes.py'
model = dict(segmentor=dict(backbone=dict(site_norm_cfg=dict(type='SW'))))
