# bn_cbst_streets2camvid.py with SWa, {bw, iw}, in the stem and the first three stages.
_base_ = './bn_cbst_streets2camvid.py'
norm = dict(type='SW')
model = dict(segmentor=dict(backbone=dict(site_norm_cfg=norm)))
