# The same with IW at the sites.
_base_ = './bn_resnet20_streetcrops.py'
model = dict(backbone=dict(site_norm_cfg=dict(type='IW')))
