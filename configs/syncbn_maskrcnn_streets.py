# Narrow Mask R-CNN on streets, BN everywhere as in syncbn_maskrcnn_coco.py.
_base_ = [
    '_base_/models/maskrcnn_r50_fpn_narrow.py',
    '_base_/datasets/streets_instance.py',
    '_base_/schedules/streets_maskrcnn.py',
]
norm = dict(type='SyncBN', requires_grad=True)
model = dict(
    backbone=dict(norm_cfg=norm, norm_eval=False, frozen_stages=-1),
    neck=dict(norm_cfg=norm),
    roi_head=dict(bbox_head=dict(norm_cfg=norm), mask_head=dict(norm_cfg=norm)),
)
