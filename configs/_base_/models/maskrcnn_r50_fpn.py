# Mask R-CNN on ResNet50 and FPN as mmdet has it: frozen BN in the backbone, no norm in FPN and heads, two fully
# connected layers in the box head. `SwitchSites` without `site_norm_cfg` is its ResNet as it is; with it that norm
# stands at seven sites, behind convolutions 1, 6, 12, ..., 36.
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'
norm_groups = 32  # of GN, should it be chosen
model = dict(
    backbone=dict(
        type='SwitchSites',
        of='ResNet',
        every=6,
        # a path works too; init_cfg=None trains from scratch
        init_cfg=dict(_delete_=True, type='ImageNetPretrained', checkpoint='torchvision://resnet50'),
    )
)
