# Table 6, AdaptSegNet-SN: the same with SN at the five sites.
_base_ = './bn_adaptsegnet_gta2cityscapes.py'
model = dict(segmentor=dict(backbone=dict(norm_cfg=dict(type='SN'))))
