# pspnet_r50.py's dilated ResNet-50 with a plain classifier in place of the pyramid: what Table 3's "ResNet50" most
# likely is, for its 36.6 on ADE20K is below PSPNet-50. The classifier is mmsegmentation's fcn_r50-d8.
_base_ = './pspnet_r50.py'
model = dict(
    decode_head=dict(
        _delete_=True,
        type='FCNHead',
        in_channels=2048,
        in_index=3,
        channels=512,
        num_convs=2,
        concat_input=True,
        dropout_ratio=0.1,
        norm_cfg={{_base_.norm}},
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=False),
    )
)
