# pspnet_r50.py a quarter as wide, from scratch: what trains on two CPU cores in minutes.
_base_ = './pspnet_r50.py'
narrow = 4  # every width is divided by it
norm_groups = 16  # the narrowest layers have 16 channels
model = dict(
    backbone=dict(stem_channels=64 // narrow, base_channels=64 // narrow, init_cfg=None),
    decode_head=dict(in_channels=2048 // narrow, channels=512 // narrow),
    auxiliary_head=dict(in_channels=1024 // narrow, channels=256 // narrow),
)
