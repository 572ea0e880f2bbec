# AdaptSegNet's schedule: SGD with a polynomial decay planned for 250,000 iterations, stopped at 150,000.
_base_ = '../runtime.py'
segmentor_optimizer = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4))
learning_rate = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=250_000, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=150_000, val_interval=5000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
