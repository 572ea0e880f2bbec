# Scene parsing on streets, from scratch in minutes on two CPU cores; one schedule for every norm.
_base_ = './pspnet_150k.py'
iterations = 400
warmup = 30
optim_wrapper = dict(
    optimizer=dict(lr=5e-2),
    # In so few iterations switches barely move at the common learning rate. Norms without switches have no such keys.
    paramwise_cfg=dict(
        custom_keys=dict(
            mean_logits=dict(lr_mult=100.0, decay_mult=0.0), cov_logits=dict(lr_mult=100.0, decay_mult=0.0)
        )
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=warmup, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=warmup, end=iterations, by_epoch=False),
]
train_cfg = dict(max_iters=iterations, val_interval=iterations)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=iterations // 4, max_keep_ckpts=1))
custom_hooks = [
    dict(type='HealthHook'),
    dict(type='ImportanceRatioHook', interval=20),
    dict(type='SamplePicturesHook', interval=iterations),
]
