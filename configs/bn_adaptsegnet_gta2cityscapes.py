# Table 6, AdaptSegNet-BN: DeepLab-v2 on VGG16 with BN at the five sites, adapted from GTA5 to Cityscapes.
# AdaptSegNet, multi level, on ResNet101 is --network resnet101. The network and optimiser of its published code,
# oddities included (sw_mmseg/models/adaptsegnet_resnet.py), are
#   --network resnet101 --cfg-options model.segmentor.backbone.of=AdaptSegNetResNet
#   model.segmentor.decode_head.branches=two model.segmentor.auxiliary_head.branches=two
#   optim_wrapper.segmentor.constructor=AdaptSegNetConstructor
_base_ = [
    '_base_/models/deeplabv2_vgg16.py',
    '_base_/datasets/gta2cityscapes.py',
    '_base_/adaptation/adaptsegnet.py',
    '_base_/schedules/poly_250k.py',
]
model = dict(
    segmentor=_base_.segmentor,
    data_preprocessor=_base_.data_preprocessor,
    # As in the paper's trainer, which says nothing of statistics: both domains move them. 'target' serves users better.
    statistics_from='both',
)
optim_wrapper = dict(segmentor=_base_.segmentor_optimizer)
param_scheduler = dict(segmentor=_base_.learning_rate, discriminator=_base_.learning_rate)
