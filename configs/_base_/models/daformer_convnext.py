# DAFormer's decoder on timm's ConvNeXt-B, pretrained on ImageNet-22k.
_base_ = './daformer_mitb5.py'
segmentor = dict(
    backbone=dict(
        _delete_=True,
        type='TIMMBackbone',
        model_name='convnext_base.fb_in22k',
        features_only=True,
        pretrained=True,  # fetched by timm; False trains from scratch
        drop_path_rate=0.1,
    ),
    decode_head=dict(in_channels=[128, 256, 512, 1024]),
)
