# Mask R-CNN on ResNet50 and FPN as mmdet has it: frozen BN in the backbone, no norm in FPN and heads, two fully
# connected layers in the box head.
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'
model = dict(
    backbone=dict(
        # a path works too; init_cfg=None trains from scratch
        init_cfg=dict(_delete_=True, type='ImageNetPretrained', checkpoint='torchvision://resnet50')))
