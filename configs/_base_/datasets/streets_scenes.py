# Scene parsing on streets: the camera's pictures with their labels, other cities to train and to test on, in the layout
# of Cityscapes. Sizes are Cityscapes' divided by eight, but for the crop, which takes the whole height.
# Make the data with `python tools/dataset_converters/streets.py data/streets`.
_base_ = './cityscapes.py'
crop_size = (128, 128)
data_root = 'data/streets/varied/cityscapes'
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='RandomResize', scale=(256, 128), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
val_pipeline = [
    dict(type='LoadImageFromFile'),  # by this name mmseg's inferencer puts in its own
    dict(type='LoadLabels'),
    dict(type='PackSegInputs'),
]
test_pipeline = val_pipeline  # for mmseg's inference_model
train_dataloader = dict(
    batch_size=8, num_workers=1, dataset=dict(dataset=dict(data_root=data_root, pipeline=train_pipeline))
)
val_dataloader = dict(batch_size=4, num_workers=1, dataset=dict(data_root=data_root, pipeline=val_pipeline))
test_dataloader = val_dataloader
