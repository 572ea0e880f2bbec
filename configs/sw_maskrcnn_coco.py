# SW of {bw, iw} at the seven sites of the ImageNet network, convolutions 1, 6, 12, ..., 36 of the backbone, SyncBN
# elsewhere; SW synchronises by itself. The paper starts from an ImageNet network with SW: give its converted file with
# --cfg-options model.backbone.init_cfg.checkpoint=PATH. As it stands, BN's weights and statistics enter SW.
_base_ = './syncbn_maskrcnn_coco.py'
model = dict(backbone=dict(type='SwitchSites', of='ResNet', every=6, site_norm_cfg=dict(type='SW')))
