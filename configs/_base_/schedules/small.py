# One cycle of AdamW for the small network, which starts from ImageNet: minutes of one CPU core.
_base_ = '../runtime.py'
iterations = 600
warmup = 60
segmentor_optimizer = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, betas=(0.9, 0.999), weight_decay=0.01),
    clip_grad=dict(max_norm=10.0),
    # Switches move faster than weights, see streets.py. Norms without switches have no such keys.
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys=dict(mean_logits=dict(lr_mult=10.0, decay_mult=0.0), cov_logits=dict(lr_mult=10.0, decay_mult=0.0)),
    ),
)
# How often the hooks of a method act, see streets.py.
hook_settings = dict(
    DiscriminatorHealthHook=dict(window=100, interval=100),
    PredictionHealthHook=dict(window=100, interval=100),
    SelfTrainingHealthHook=dict(window=100, interval=100),
    ImportanceRatioHook=dict(interval=20),
    SamplePicturesHook=dict(interval=300),
)
learning_rate = [
    dict(type='LinearLR', start_factor=0.04, begin=0, end=warmup, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min=0.0, begin=warmup, end=iterations, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=iterations, val_interval=iterations)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=iterations // 4, max_keep_ckpts=1))
