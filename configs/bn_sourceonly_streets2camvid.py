# The small network, trained on drawn streets alone, scored on photographs.
_base_ = [
    '_base_/models/small_camvid.py',
    '_base_/datasets/streets2camvid_sourceonly.py',
    '_base_/adaptation/sourceonly.py',
    '_base_/schedules/small.py',
]
model = dict(data_preprocessor=_base_.data_preprocessor, **_base_.segmentor)
optim_wrapper = _base_.segmentor_optimizer
param_scheduler = _base_.learning_rate
custom_hooks = [dict(hook, **_base_.hook_settings.get(hook['type'], {})) for hook in _base_.custom_hooks]
custom_hooks.append(dict(type='ChannelsLastHook'))  # a third faster on a CPU
