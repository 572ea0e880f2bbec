# Table 6, AdaptSegNet-SWa: bn_adaptsegnet_gta2cityscapes.py with SWa, {bw, iw}, at the five sites.
_base_ = './bn_adaptsegnet_gta2cityscapes.py'
norm = dict(type='SW')
model = dict(segmentor=dict(backbone=dict(norm_cfg=norm)))
