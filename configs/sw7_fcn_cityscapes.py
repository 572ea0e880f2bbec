# Table 5, SWa iterative: 7 sites, as on ImageNet. bn_fcn_cityscapes.py is the table's BN.
_base_ = './sw_fcn_cityscapes.py'
model = dict(backbone=dict(every=6))
