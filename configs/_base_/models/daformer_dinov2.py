# DAFormer's decoder on timm's ViT-B, pretrained by DINOv2: four of its blocks as levels, all of one size. timm
# resamples the patches from 14 to 16 pixels, so that crops of 512 divide evenly.
_base_ = './daformer_mitb5.py'
segmentor = dict(
    backbone=dict(
        _delete_=True,
        type='TIMMBackbone',
        model_name='vit_base_patch14_dinov2.lvd142m',
        features_only=True,
        out_indices=(2, 5, 8, 11),
        pretrained=True,  # fetched by timm; False trains from scratch
        patch_size=16,
        img_size=512,
        dynamic_img_size=True,  # validation has other sizes
        drop_path_rate=0.1,
    ),
    decode_head=dict(in_channels=[768] * 4),
)
