# The same network a quarter as wide, from scratch, for pictures of 512x256 with small objects: what trains on two CPU
# cores in minutes. Fewer proposals, too: a step's time goes into the heads.
_base_ = './maskrcnn_r50_fpn.py'
width = 16  # of the stem; 64 in the full network
channels = 64  # of FPN and heads; 256 in the full network
model = dict(
    backbone=dict(stem_channels=width, base_channels=width, init_cfg=None),
    neck=dict(in_channels=[4 * width, 8 * width, 16 * width, 32 * width], out_channels=channels),
    rpn_head=dict(in_channels=channels, feat_channels=channels, anchor_generator=dict(scales=[4])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=channels, finest_scale=28),
        mask_roi_extractor=dict(out_channels=channels, finest_scale=28),
        bbox_head=dict(
            type='Shared4Conv1FCBBoxHead',
            in_channels=channels,
            conv_out_channels=channels,
            fc_out_channels=4 * channels,
            num_classes=2),
        mask_head=dict(in_channels=channels, conv_out_channels=channels, num_convs=2, num_classes=2)),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=128)),
        rpn_proposal=dict(nms_pre=500, max_per_img=250),
        rcnn=dict(sampler=dict(num=64))),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=250)))
