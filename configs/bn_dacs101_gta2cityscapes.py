# DACS on ResNet101, as published: DeepLab-v2 with one classifier.
_base_ = [
    '_base_/models/deeplabv2_r101.py',
    '_base_/datasets/gta2cityscapes_crops.py',
    '_base_/adaptation/dacs.py',
    '_base_/schedules/poly_250k.py',
]
model = dict(
    segmentor=dict(_base_.segmentor, auxiliary_head=None),
    data_preprocessor=_base_.data_preprocessor)
optim_wrapper = dict(segmentor=dict(
    # new classifiers learn ten times as fast as pretrained layers, as in DeepLab-v2
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10.0))),
    **_base_.segmentor_optimizer))
param_scheduler = dict(segmentor=_base_.learning_rate)
