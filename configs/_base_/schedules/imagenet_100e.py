# ImageNet: 100 epochs of batches of 256, the learning rate divided by 10 at 30, 60 and 90.
_base_ = '../runtime_classification.py'
epoch = 5005  # iterations: 1,281,167 images
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type='MultiStepLR', milestones=[30 * epoch, 60 * epoch, 90 * epoch], gamma=0.1, by_epoch=False)]
auto_scale_lr = dict(base_batch_size=256)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100 * epoch, val_interval=epoch)
default_hooks = dict(logger=dict(interval=100), checkpoint=dict(interval=epoch))
custom_hooks = [
    dict(type='FreezeRatiosHook', end=30 * epoch),  # the paper's early stop of SN and SW
    dict(type='ImportanceRatioHook', interval=1000),
]
