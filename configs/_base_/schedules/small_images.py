# Short training from scratch on a few thousand small images: minutes on two CPU cores. One set of variables for every
# norm.
_base_ = '../runtime_classification.py'
iterations = 240
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4),
    # In so few iterations switches barely move at the common learning rate. Norms without switches have no such keys.
    paramwise_cfg=dict(
        custom_keys=dict(mean_logits=dict(lr_mult=10.0, decay_mult=0.0), cov_logits=dict(lr_mult=10.0, decay_mult=0.0))
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=20, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=20, end=iterations, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=iterations, val_interval=iterations // 8)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=iterations // 4, max_keep_ckpts=1))
custom_hooks = [dict(type='ImportanceRatioHook', interval=10)]
