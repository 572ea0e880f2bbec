# MinEnt on streets: the narrow network of the demo, with BN at the five sites.
_base_ = [
    '_base_/models/deeplabv2_vgg16_narrow.py',
    '_base_/datasets/streets.py',
    '_base_/adaptation/minent.py',
    '_base_/schedules/streets.py',
]
model = dict(segmentor=_base_.segmentor, data_preprocessor=_base_.data_preprocessor)
optim_wrapper = dict(segmentor=_base_.segmentor_optimizer)
param_scheduler = dict(segmentor=_base_.learning_rate)
custom_hooks = [
    dict(type='PredictionHealthHook', window=100, interval=100),
    dict(type='ImportanceRatioHook', interval=20),
    dict(type='SamplePicturesHook', interval=200)]
