# syncbn_maskrcnn_coco.py with GN everywhere, from Detectron's ImageNet weights, which want their own normalisation of
# pixels.
_base_ = './syncbn_maskrcnn_coco.py'
norm = dict(type='GN', num_groups=32)
model = dict(
    data_preprocessor=dict(mean=[103.530, 116.280, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False),
    backbone=dict(norm_cfg=norm, init_cfg=dict(checkpoint='open-mmlab://detectron/resnet50_gn')),
    neck=dict(norm_cfg=norm),
    roi_head=dict(bbox_head=dict(norm_cfg=norm), mask_head=dict(norm_cfg=norm)),
)
