# Short training from scratch: minutes on two CPU cores. One set of variables for every method and norm.
_base_ = '../runtime.py'
iterations = 400  # about a minute on two CPU cores, two with adaptation
warmup = 30
segmentor_optimizer = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=3e-2, momentum=0.9, weight_decay=5e-4),
    clip_grad=dict(max_norm=10.0),  # ten of the convolutions have no norm behind them
    # In so few iterations switches barely move at the common learning rate. Norms without switches have no such keys.
    # A multiplier of 0 keeps them at uniform, 1 is the common rate: --cfg-options
    # optim_wrapper.segmentor.paramwise_cfg.custom_keys.{mean,cov}_logits.lr_mult=0 (source only: without .segmentor)
    paramwise_cfg=dict(
        custom_keys=dict(
            mean_logits=dict(lr_mult=100.0, decay_mult=0.0), cov_logits=dict(lr_mult=100.0, decay_mult=0.0)
        )
    ),
)
# How often the hooks of a method act, in place of what they say for training that takes days; by type.
hook_settings = dict(
    DiscriminatorHealthHook=dict(window=100, interval=100),
    PredictionHealthHook=dict(window=100, interval=100),
    SelfTrainingHealthHook=dict(window=100, interval=100),
    ImportanceRatioHook=dict(interval=20),
    SamplePicturesHook=dict(interval=200),
)
learning_rate = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=warmup, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=warmup, end=iterations, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=iterations, val_interval=iterations)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=iterations // 4, max_keep_ckpts=1))
