# PSPNet's schedule for ADE20K, which the paper follows: 150,000 iterations of SGD with polynomial decay.
_base_ = '../runtime.py'
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-2, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=150_000, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=150_000, val_interval=10_000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(checkpoint=dict(interval=10_000))
custom_hooks = [
    dict(type='HealthHook'),  # stops at a loss that is no number
    dict(type='ImportanceRatioHook', interval=50),
    dict(type='SamplePicturesHook', interval=1000),
]
auto_scale_lr = dict(enable=False, base_batch_size=16)  # enable=True scales lr with processes x batch_size / 16
