# ResNet-50 for ImageNet; a leaf may say another depth. With site_norm_cfg=dict(type='SW') that norm stands behind
# convolutions 1, 6, 12, ..., not in the last stage (Section 4.1).
norm = dict(type='BN')  # everywhere; `site_norm_cfg` puts another at the sites
norm_groups = 32  # of GN, should it stand there
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='SwitchSites',
        of='ResNet',
        depth=50,
        out_indices=(3,),
        zero_init_residual=False,  # as He et al.
        norm_cfg=norm,
        every=6,
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', in_channels=2048, topk=(1, 5), cal_acc=True),
)
