# ISW on ResNet101, trained on GTA5 alone.
_base_ = [
    '_base_/models/deeplabv2_r101.py',
    '_base_/datasets/gta5.py',
    '_base_/adaptation/isw.py',
    '_base_/schedules/poly_250k.py',
]
model = dict(
    segmentor=_base_.segmentor,
    data_preprocessor=_base_.data_preprocessor,
    levels=[dict(head='decode_head', lambda_seg=1.0), dict(head='auxiliary_head', lambda_seg=0.1)],
    layers=['bn1', 'layer1.2.bn2', 'layer2.3.bn2'],  # the last site of SW in the stem and in each of the first stages
    warmup=15_000,
    compare=1000)
optim_wrapper = dict(segmentor=dict(
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10.0), auxiliary_head=dict(lr_mult=10.0))),
    **_base_.segmentor_optimizer))
param_scheduler = dict(segmentor=_base_.learning_rate)
