# DAFormer's schedule: AdamW, the head ten times as fast as the backbone, 1,500 iterations of warm-up, linear decay.
_base_ = '../runtime.py'
segmentor_optimizer = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(
        custom_keys=dict(decode_head=dict(lr_mult=10.0), pos_embed=dict(decay_mult=0.0)), norm_decay_mult=0.0
    ),
)
learning_rate = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=1500, by_epoch=False),
    dict(type='PolyLR', power=1.0, eta_min=0.0, begin=1500, end=40_000, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40_000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(checkpoint=dict(interval=4000))
