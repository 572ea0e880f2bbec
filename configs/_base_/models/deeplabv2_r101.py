# DeepLab-v2 on ResNet101, output stride 8, with a second classifier on the stage before the last (multi level).
# AdaptSegNet's published ResNet101 is another in six details: sw_mmseg/models/adaptsegnet_resnet.py names them, and
# bn_adaptsegnet_gta2cityscapes.py the options that give it.
norm = dict(type='BN')  # everywhere; `site_norm_cfg` puts another at the sites
norm_groups = 32  # of GN, should it stand there
data_preprocessor = dict(
    type='DomainPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
)
head = dict(type='DeepLabV2Head', num_classes=19, dilations=(6, 12, 18, 24), branches='four')
segmentor = dict(
    type='MultiLevelSegmentor',
    backbone=dict(
        type='SwitchSites',
        of='ResNet',
        depth=101,
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        out_indices=(2, 3),
        norm_cfg=norm,
        every=3,  # with site_norm_cfg=dict(type='SW'): behind convolutions 1, 3, 6, 9, ..., not in the last stage
        init_cfg=dict(type='ImageNetPretrained', checkpoint='torchvision://resnet101'),
    ),
    decode_head=dict(in_channels=2048, in_index=1, **head),
    auxiliary_head=dict(in_channels=1024, in_index=0, **head),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
