# ISW on streets, the game's pictures alone: the narrow network of the demo, with BN at the five sites.
_base_ = [
    '_base_/models/deeplabv2_vgg16_narrow.py',
    '_base_/datasets/streets_sourceonly.py',
    '_base_/adaptation/isw.py',
    '_base_/schedules/streets.py',
]
model = dict(
    segmentor=_base_.segmentor,
    data_preprocessor=_base_.data_preprocessor,
    layers=['norm1', 'norm2', 'norm3'],
    warmup=_base_.iterations // 4,
    compare=_base_.iterations // 8,
)
optim_wrapper = dict(segmentor=_base_.segmentor_optimizer)
param_scheduler = dict(segmentor=_base_.learning_rate)
custom_hooks = [dict(hook, **_base_.hook_settings.get(hook['type'], {})) for hook in _base_.custom_hooks]
