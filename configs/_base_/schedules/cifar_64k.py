# He et al.'s schedule for CIFAR: 64,000 iterations of 128 images, the learning rate divided by 10 at 32,000 and 48,000.
_base_ = '../runtime_classification.py'
epoch = 391  # iterations: 50,000 images
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
steps = dict(type='MultiStepLR', milestones=[32_000, 48_000], gamma=0.1, by_epoch=False)
param_scheduler = [steps]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=64_000, val_interval=epoch)
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=10 * epoch))
custom_hooks = [
    dict(type='FreezeRatiosHook', end=80 * epoch),  # the paper's early stop of SN and SW
    dict(type='ImportanceRatioHook', interval=epoch),
]
