# He et al.'s ResNet for CIFAR; a leaf says its depth. With site_norm_cfg=dict(type='SW') that norm stands behind
# convolutions 1, 4, 8, 12, ... (Appendix B).
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='SwitchSites',
        of='CIFARResNet',
        depth=20,
        norm_cfg=dict(type='BN'),
        every=4,
        exclude=()),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', in_channels=64, cal_acc=True))
