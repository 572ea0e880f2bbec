# deeplabv2_vgg16.py a quarter as wide, from scratch, for images of 256x128: what the demo trains on two CPU cores.
_base_ = './deeplabv2_vgg16.py'
width = 0.25
norm_groups = 16  # the narrowest layers have 16 channels
segmentor = dict(
    backbone=dict(width=width, init_cfg=None), decode_head=dict(in_channels=int(1024 * width), dilations=(2, 4, 6, 8))
)  # its maps have 32x16 cells: the published dilations would look past their edges
