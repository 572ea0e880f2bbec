# bn_cbst_streets2camvid.py with SW of {bw, iw} in the stem and the first three stages.
_base_ = './bn_cbst_streets2camvid.py'
model = dict(segmentor=dict(backbone=dict(site_norm_cfg=dict(type='SW'))))
