# PSPNet on a dilated ResNet-50, output stride 8 (Zhao et al., CVPR 2017; Section 4.2). A leaf gives the heads their
# number of classes. The plain 7x7 stem lets ImageNet models of torchvision and of SW fit. All norms are synchronised
# BN, as in the paper, but those that site_norm_cfg puts at the sites. Where the paper and PSPNet are silent (classifier
# width, dropout, alignment), mmsegmentation's pspnet_r50-d8.
norm = dict(type='SyncBN')  # everywhere; `site_norm_cfg` puts another at the sites
norm_groups = 32  # of GN, should it stand there
data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],  # of torchvision's ImageNet weights: RGB, 0 to 255
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='SwitchSites',
        of='ResNet',
        depth=50,
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        contract_dilation=True,
        norm_cfg=norm,
        # a norm's leaf says site_norm_cfg=dict(type='SW'); without it there are no sites
        every=3,  # convolutions 1, 3, 6, ..., 39: 14 sites; 6 gives the 7 of Table 5
        exclude=('layer4',),  # 2048 channels
        # with an ImageNet model that has the same norms at the same sites, give its path
        init_cfg=dict(type='ImageNetPretrained', checkpoint='torchvision://resnet50'),
    ),
    decode_head=dict(
        type='PSPHead',
        in_channels=2048,
        in_index=3,
        channels=512,
        pool_scales=(1, 2, 3, 6),
        dropout_ratio=0.1,
        norm_cfg=norm,
        align_corners=False,
        # void counts in the denominator, as in mmsegmentation, see configs/README.md
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=False),
    ),
    auxiliary_head=dict(
        type='FCNHead',
        in_channels=1024,
        in_index=2,
        channels=256,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        norm_cfg=norm,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=False, loss_weight=0.4),
    ),  # PSPNet's
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
