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
custom_hooks = [dict(hook, **_base_.hook_settings.get(hook['type'], {})) for hook in _base_.custom_hooks]
custom_hooks.append(dict(type='ChannelsLastHook', part='segmentor'))  # a third faster on a CPU
