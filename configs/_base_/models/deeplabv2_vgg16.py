# DeepLab-v2 on VGG16, output stride 8, one norm behind the first convolution of each of the five groups (Section 4.3).
# A method's leaf puts `segmentor` where it belongs; change it there (model.segmentor.backbone... for AdaptSegNet,
# model.backbone... for source only), not here by name.
norm = dict(type='BN')  # at the sites
norm_groups = 32  # of GN, should it stand there
data_preprocessor = dict(
    type='DomainPreprocessor',
    mean=[123.675, 116.28, 103.53],  # of torchvision's ImageNet weights: RGB, 0 to 255
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
)
segmentor = dict(
    type='MultiLevelSegmentor',
    backbone=dict(
        type='VGG16DeepLab',
        norm_cfg=norm,
        # a path works too; init_cfg=None trains from scratch
        init_cfg=dict(type='ImageNetPretrained', checkpoint='torchvision://vgg16'),
    ),
    decode_head=dict(
        type='DeepLabV2Head', in_channels=1024, num_classes=19, dilations=(6, 12, 18, 24), branches='four'
    ),  # 'two': what AdaptSegNet's published network computes
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
