# The small network, from drawn streets to photographs by self-training with a mean teacher.
_base_ = [
    '_base_/models/small_camvid.py',
    '_base_/datasets/streets2camvid.py',
    '_base_/adaptation/dacs.py',
    '_base_/schedules/small.py',
]
model = dict(segmentor=_base_.segmentor, data_preprocessor=_base_.data_preprocessor)
optim_wrapper = dict(segmentor=_base_.segmentor_optimizer)
param_scheduler = dict(segmentor=_base_.learning_rate)
custom_hooks = [
    dict(type='SelfTrainingHealthHook', window=100, interval=100),
    dict(type='ImportanceRatioHook', interval=20),
    dict(type='SamplePicturesHook', interval=300)]
