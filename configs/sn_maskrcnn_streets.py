# The same with SN everywhere.
_base_ = './syncbn_maskrcnn_streets.py'
norm = dict(type='SN')
model = dict(
    backbone=dict(norm_cfg=norm),
    neck=dict(norm_cfg=norm),
    roi_head=dict(bbox_head=dict(norm_cfg=norm), mask_head=dict(norm_cfg=norm)))
