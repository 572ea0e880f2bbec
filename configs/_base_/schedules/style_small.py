# Style transfer in a minute or so on one CPU core.
_base_ = './style_40k.py'
iterations = 240
optim_wrapper = dict(
    optimizer=dict(lr=3e-3),
    # In so few iterations switches barely move at the common learning rate. Norms without switches have no such keys.
    paramwise_cfg=dict(custom_keys=dict(mean_logits=dict(lr_mult=10.0), cov_logits=dict(lr_mult=10.0))),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=20, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=20, end=iterations, by_epoch=False),
]
train_cfg = dict(max_iters=iterations)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=iterations // 3, max_keep_ckpts=1))
custom_hooks = [dict(type='ImportanceRatioHook', interval=10), dict(type='StyleSamplesHook', interval=iterations // 3)]
