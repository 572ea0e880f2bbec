# sw_resnet20_cifar10.py with one set of importance weights for means and covariances: 8.17 % error in the
# paper, 7.64 % without.
_base_ = './sw_resnet20_cifar10.py'
norm = dict(type='SW', tie_weights=True)
model = dict(backbone=dict(site_norm_cfg=norm))
