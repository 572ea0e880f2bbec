# The same with GN everywhere, of 16 groups: the narrowest layers have 16 channels.
_base_ = './syncbn_maskrcnn_streets.py'
norm = dict(type='GN', num_groups=16)
model = dict(
    backbone=dict(norm_cfg=norm),
    neck=dict(norm_cfg=norm),
    roi_head=dict(bbox_head=dict(norm_cfg=norm), mask_head=dict(norm_cfg=norm)))
