# mmdet's schedule for Cityscapes: 8 epochs of 8 times the data, 0.01 for 8 images a step, a tenth after epoch 7.
_base_ = ['mmdet::_base_/schedules/schedule_1x.py', '../runtime_detection.py']
optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', begin=0, end=8, by_epoch=True, milestones=[7], gamma=0.1),
]
train_cfg = dict(max_epochs=8)
auto_scale_lr = dict(base_batch_size=8)
