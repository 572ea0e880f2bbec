# He et al.'s ResNet for CIFAR; a leaf says its depth. With site_norm_cfg=dict(type='SW') that norm stands behind
# convolutions 1, 4, 8, 12, ... (Appendix B).
norm = dict(type='BN')  # everywhere; `site_norm_cfg` puts another at the sites
norm_groups = 16  # of GN, should it stand there; the narrowest layers have 16 channels
model = dict(
    type='ImageClassifier',
    backbone=dict(type='SwitchSites', of='CIFARResNet', depth=20, norm_cfg=norm, every=4, exclude=()),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', in_channels=64, cal_acc=True),
)
