# The demo's starting point: the narrow network, BN at the five sites, trained on the source domain of streets alone.
_base_ = [
    '_base_/models/deeplabv2_vgg16_narrow.py',
    '_base_/datasets/streets_sourceonly.py',
    '_base_/adaptation/sourceonly.py',
    '_base_/schedules/streets.py',
]
model = dict(data_preprocessor=_base_.data_preprocessor, **_base_.segmentor)
optim_wrapper = _base_.segmentor_optimizer
param_scheduler = _base_.learning_rate
custom_hooks = [dict(hook, **_base_.hook_settings.get(hook['type'], {})) for hook in _base_.custom_hooks]
