# DeepLab-v2 on ResNet101, both heads, trained on GTA5 alone and evaluated on Cityscapes.
_base_ = [
    '_base_/models/deeplabv2_r101.py',
    '_base_/datasets/gta5.py',
    '_base_/adaptation/sourceonly.py',
    '_base_/schedules/poly_250k.py',
]
model = dict(data_preprocessor=_base_.data_preprocessor, **_base_.segmentor)
model['auxiliary_head']['loss_decode'] = dict(type='CrossEntropyLoss', loss_weight=0.1)  # as adapted networks weigh it
optim_wrapper = dict(
    # new classifiers learn ten times as fast as pretrained layers, as in DeepLab-v2
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10.0), auxiliary_head=dict(lr_mult=10.0))),
    **_base_.segmentor_optimizer)
param_scheduler = _base_.learning_rate
