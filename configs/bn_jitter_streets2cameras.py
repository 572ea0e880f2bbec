# The demo's starting point: the small network, trained on the source domain of streets alone, light and colours
# disturbed.
_base_ = [
    '_base_/models/small_streets2cameras.py',
    '_base_/datasets/streets2cameras_sourceonly.py',
    '_base_/adaptation/sourceonly.py',
    '_base_/schedules/small.py',
]
model = dict(data_preprocessor=_base_.data_preprocessor, **_base_.segmentor)
optim_wrapper = _base_.segmentor_optimizer
param_scheduler = _base_.learning_rate
custom_hooks = [dict(hook, **_base_.hook_settings.get(hook['type'], {})) for hook in _base_.custom_hooks]
custom_hooks.append(dict(type='ChannelsLastHook'))  # a third faster on a CPU
