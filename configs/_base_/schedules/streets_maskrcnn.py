# Short training from scratch: minutes on two CPU cores. AdamW, because SGD at mmdet's rate has hardly begun by then.
_base_ = '../runtime_detection.py'
iterations = 1000
warmup = 50
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=1e-2),
    clip_grad=dict(max_norm=10.0),
    # in so few iterations switches barely move at the common learning rate
    paramwise_cfg=dict(
        custom_keys=dict(mean_logits=dict(lr_mult=10.0, decay_mult=0.0), cov_logits=dict(lr_mult=10.0, decay_mult=0.0))
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=warmup, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=warmup, end=iterations, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=iterations, val_interval=iterations)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(interval=20, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=iterations // 4, max_keep_ckpts=1),
)
