# maskrcnn_r50_fpn.py a quarter as wide, from scratch, for pictures of 512x256 with small objects: what trains on two
# CPU cores in minutes. Anchors and crops are small and upright, as people are; fewer of them keep a step short.
_base_ = './maskrcnn_r50_fpn.py'
width = 16  # of the stem; 64 in the full network
channels = 64  # of FPN and heads; 256 in the full network
norm_groups = 16  # the narrowest layers have 16 channels
model = dict(
    # every block learns from the first step on; mmdet lets it begin as nothing (γ = 0), which pretrained blocks do not
    backbone=dict(stem_channels=width, base_channels=width, init_cfg=None, zero_init_residual=False),
    neck=dict(in_channels=[4 * width, 8 * width, 16 * width, 32 * width], out_channels=channels),
    rpn_head=dict(
        in_channels=channels, feat_channels=channels, anchor_generator=dict(scales=[3], ratios=[0.5, 1.0, 2.5])
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=channels, finest_scale=28),
        mask_roi_extractor=dict(out_channels=channels, finest_scale=28),
        bbox_head=dict(
            type='Shared4Conv1FCBBoxHead',
            in_channels=channels,
            conv_out_channels=channels // 2,
            fc_out_channels=4 * channels,
            num_classes=2,
        ),
        mask_head=dict(in_channels=channels, conv_out_channels=channels, num_convs=2, num_classes=2),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=128)),
        rpn_proposal=dict(nms_pre=500, max_per_img=250),
        rcnn=dict(sampler=dict(num=128)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=250)),
)
