# bn_style_coco.py with SWa, {bw, iw}, at every norm.
_base_ = './bn_style_coco.py'
norm = dict(type='SW')
model = dict(network=dict(norm_cfg=norm))
