# Short training from scratch: minutes on two CPU cores.
_base_ = ['mmdet::_base_/schedules/schedule_2x.py', '../runtime_detection.py']
epochs = 3
optim_wrapper = dict(
    optimizer=dict(lr=0.02, weight_decay=1e-4),
    clip_grad=dict(max_norm=10.0),
    # as on streets everywhere: in so few iterations switches barely move at the common learning rate
    paramwise_cfg=dict(custom_keys=dict(
        mean_logits=dict(lr_mult=100.0, decay_mult=0.0),
        cov_logits=dict(lr_mult=100.0, decay_mult=0.0))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=50, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=epochs, by_epoch=True, convert_to_iter_based=True)]
train_cfg = dict(max_epochs=epochs, val_interval=epochs)
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=epochs, max_keep_ckpts=1))
