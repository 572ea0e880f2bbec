# DAFormer's decoder on SegFormer's MiT-B2, a third of MiT-B5's parameters.
_base_ = './daformer_mitb5.py'
segmentor = dict(
    backbone=dict(
        num_layers=[3, 4, 6, 3],
        init_cfg=dict(
            checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/'
            'mit_b2_20220624-66e8bf70.pth'
        ),
    )
)
