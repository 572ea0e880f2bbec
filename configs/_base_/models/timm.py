# A network of timm with a light pyramid decoder at a quarter of the image's size. `--network NAME` puts in its name,
# its weights, the normalisation that they were trained with and the channels of its maps; of a plain transformer, whose
# maps have one size, also a neck that makes four of it.
data_preprocessor = dict(
    type='DomainPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
)
segmentor = dict(
    type='MultiLevelSegmentor',
    backbone=dict(
        type='TimmFeatures',
        model_name='convnext_tiny.fb_in22k',
        drop_path_rate=0.1,
        init_cfg=dict(type='ImageNetPretrained', checkpoint='timm://convnext_tiny.fb_in22k'),
    ),
    decode_head=dict(
        type='LightFPNHead',
        in_channels=[96, 192, 384, 768],
        channels=128,
        num_classes=19,
        norm_cfg=dict(type='BN'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
