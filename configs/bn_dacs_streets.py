# Self-training on streets: the narrow network of the demo, with BN at the five sites.
_base_ = [
    '_base_/models/deeplabv2_vgg16_narrow.py',
    '_base_/datasets/streets.py',
    '_base_/adaptation/dacs.py',
    '_base_/schedules/streets.py',
]
model = dict(segmentor=_base_.segmentor, data_preprocessor=_base_.data_preprocessor)
optim_wrapper = dict(segmentor=_base_.segmentor_optimizer)
param_scheduler = dict(segmentor=_base_.learning_rate)
custom_hooks = [dict(hook, **_base_.hook_settings.get(hook['type'], {})) for hook in _base_.custom_hooks]
custom_hooks.insert(1, dict(type='PseudoLabelAccuracyHook', interval=100))  # streets has labels of its target
