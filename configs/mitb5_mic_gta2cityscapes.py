# mitb5_daformer_gta2cityscapes.py, and masked-image consistency on top.
_base_ = './mitb5_daformer_gta2cityscapes.py'
model = dict(masking=dict(block=64, ratio=0.7, weight=1.0))
