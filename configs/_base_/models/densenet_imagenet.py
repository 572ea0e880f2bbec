# DenseNet-121 for ImageNet. With site_norm_cfg=dict(type='SW') that norm stands where the authors' released models have
# it: in the stem, and in front of the first, fourth, seventh, ... layer of the first three blocks.
norm = dict(type='BN')  # everywhere; `site_norm_cfg` puts another at the sites
norm_groups = 32  # of GN, should it stand there
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='SwitchSites',
        of='DenseNet',
        arch='121',
        norm_cfg=norm,
        at=[
            'stem.1',
            *(
                f'stages.{block}.block.{layer}.norm1'
                for block, layers in enumerate((6, 12, 24))
                for layer in range(0, layers, 3)
            ),
        ],
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', in_channels=1024, topk=(1, 5), cal_acc=True),
)
