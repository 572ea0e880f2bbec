# SW of {bw, iw} at the seven sites of the ImageNet network, convolutions 1, 6, 12, ..., 36 of the backbone, SyncBN
# elsewhere; SW synchronises by itself. As it stands, BN's weights and statistics enter SW; the paper starts from an
# ImageNet network with SW: your own with --cfg-options model.backbone.init_cfg.checkpoint=PATH, the authors' in
# sw_maskrcnnreleased_coco.py, since theirs has other sites.
_base_ = './syncbn_maskrcnn_coco.py'
norm = dict(type='SW')
model = dict(backbone=dict(site_norm_cfg=norm))
