# The same with SW of {bw, iw} at the sites.
_base_ = './bn_densenet169_imagenet.py'
model = dict(backbone=dict(site_norm_cfg=dict(type='SW')))
