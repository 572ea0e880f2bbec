# The small network on streets, adapted by AdaptSegNet.
_base_ = [
    '_base_/models/small_streets2cameras.py',
    '_base_/datasets/streets2cameras.py',
    '_base_/adaptation/adaptsegnet.py',
    '_base_/schedules/small.py',
]
model = dict(segmentor=_base_.segmentor, data_preprocessor=_base_.data_preprocessor, discriminator=dict(width=32))
optim_wrapper = dict(segmentor=_base_.segmentor_optimizer, discriminator=dict(optimizer=dict(lr=1e-3)))
param_scheduler = dict(segmentor=_base_.learning_rate, discriminator=_base_.learning_rate)
custom_hooks = [dict(hook, **_base_.hook_settings.get(hook['type'], {})) for hook in _base_.custom_hooks]
custom_hooks.append(dict(type='ChannelsLastHook', part='segmentor'))  # a third faster on a CPU
