# The demo: the Table 6 network made narrow, adapted between the two domains of streets, with BN at the five sites.
_base_ = [
    '_base_/models/deeplabv2_vgg16_narrow.py',
    '_base_/datasets/streets.py',
    '_base_/adaptation/adaptsegnet.py',
    '_base_/schedules/streets.py',
]
model = dict(segmentor=_base_.segmentor, data_preprocessor=_base_.data_preprocessor, discriminator=dict(width=16))
optim_wrapper = dict(
    segmentor=_base_.segmentor_optimizer, discriminator=dict(optimizer=dict(lr=1e-3))
)  # minutes, not days, to learn in
param_scheduler = dict(segmentor=_base_.learning_rate, discriminator=_base_.learning_rate)
custom_hooks = [dict(hook, **_base_.hook_settings.get(hook['type'], {})) for hook in _base_.custom_hooks]
