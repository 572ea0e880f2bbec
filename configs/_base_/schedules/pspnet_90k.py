# PSPNet's schedule for Cityscapes: pspnet_150k.py, 90,000 iterations long.
_base_ = './pspnet_150k.py'
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=90_000, by_epoch=False)]
train_cfg = dict(max_iters=90_000)
