# AdaptSegNet, multi level, on ResNet101: outputs of the last two stages are supervised and aligned.
# The network and optimiser of its published code, oddities included (sw_mmseg/models/adaptsegnet_resnet.py):
#   --cfg-options model.segmentor.backbone.of=AdaptSegNetResNet model.segmentor.decode_head.branches=two
#   model.segmentor.auxiliary_head.branches=two optim_wrapper.segmentor.constructor=AdaptSegNetConstructor
_base_ = [
    '_base_/models/deeplabv2_r101.py',
    '_base_/datasets/gta2cityscapes.py',
    '_base_/adaptation/adaptsegnet.py',
    '_base_/schedules/poly_250k.py',
]
model = dict(
    segmentor=_base_.segmentor,
    data_preprocessor=_base_.data_preprocessor,
    levels=[
        dict(head='decode_head', lambda_seg=1.0, lambda_adv=0.001),
        dict(head='auxiliary_head', lambda_seg=0.1, lambda_adv=0.0002)],
    statistics_from='both')  # see bn_adaptsegnet_gta2cityscapes.py
optim_wrapper = dict(segmentor=dict(
    # new classifiers learn ten times as fast as pretrained layers, as in DeepLab-v2
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10.0), auxiliary_head=dict(lr_mult=10.0))),
    **_base_.segmentor_optimizer))
param_scheduler = dict(segmentor=_base_.learning_rate, discriminator=_base_.learning_rate)
