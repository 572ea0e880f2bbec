# The same with SW of {bw, iw} at the seven sites of sw_maskrcnn_coco.py, BN elsewhere.
_base_ = './syncbn_maskrcnn_streets.py'
model = dict(backbone=dict(type='SwitchSites', of='ResNet', every=6, site_norm_cfg=dict(type='SW')))
