# SW at the seven sites, SyncBN elsewhere, on Cityscapes. mmdet starts such training from a network trained on COCO;
# with one of your own: --cfg-options load_from=PATH
_base_ = [
    '_base_/models/maskrcnn_r50_fpn.py',
    '_base_/datasets/cityscapes_instance.py',
    '_base_/schedules/maskrcnn_cityscapes.py',
]
elsewhere = dict(type='SyncBN', requires_grad=True)
norm = dict(type='SW')
model = dict(
    backbone=dict(site_norm_cfg=norm, norm_cfg=elsewhere, norm_eval=False, frozen_stages=-1),
    neck=dict(norm_cfg=elsewhere),
    roi_head=dict(
        bbox_head=dict(type='Shared4Conv1FCBBoxHead', conv_out_channels=256, norm_cfg=elsewhere, num_classes=8),
        mask_head=dict(norm_cfg=elsewhere, num_classes=8),
    ),
)
