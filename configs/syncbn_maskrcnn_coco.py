# SyncBN in backbone, FPN and heads. The box head is the one with four convolutions that mmdet uses with GN: the plain
# one is fully connected and has no place for a norm. With trained norms nothing is frozen: two of the paper's seven
# sites lie in the stem and the first stage, which mmdet freezes; the paper does not say. mmdet's RPN has no norm.
_base_ = './frozenbn_maskrcnn_coco.py'
norm = dict(type='SyncBN', requires_grad=True)
model = dict(
    backbone=dict(norm_cfg=norm, norm_eval=False, frozen_stages=-1),
    neck=dict(norm_cfg=norm),
    roi_head=dict(
        bbox_head=dict(type='Shared4Conv1FCBBoxHead', conv_out_channels=256, norm_cfg=norm),
        mask_head=dict(norm_cfg=norm),
    ),
)
