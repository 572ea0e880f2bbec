# DAFormer's settings of dacs.py; rare-class sampling is the data set's (gta2cityscapes_rare.py).
_base_ = './dacs.py'
model = dict(
    alpha=0.999,
    feature_distance=dict(weight=0.005),
    augmentation=dict(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.2),
    ignore_rows=(15, 120),
)  # of Cityscapes at 1024x512: rectified edges above, the car's own bonnet below
