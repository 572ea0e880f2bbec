# Cityscapes: 2,975 finely labelled training pictures, 500 to validate and test on, 19 classes, read as they unpack.
# PSPNet's augmentation of it: resize by 0.5 to 2, mirror. The paper and PSPNet do not give a crop size:
# mmsegmentation's, as is the crop's limit on one class's share.
crop_size = (512, 1024)
num_classes = 19
tta_scales = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)  # of --tta, each plain and mirrored: mmsegmentation's, and PSPNet's code

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='RandomResize', scale=(2048, 1024), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
val_pipeline = [
    dict(type='LoadImageFromFile'),  # by this name mmseg's inferencer puts in its own
    dict(type='Resize', scale=(2048, 1024), keep_ratio=True),
    dict(type='LoadLabels'),  # labels keep their own size: predictions are brought up to it
    dict(type='PackSegInputs'),
]
test_pipeline = val_pipeline  # for mmseg's inference_model

data_root = 'data/cityscapes'
train_dataloader = dict(
    batch_size=4,  # a process; PSPNet and the paper train on 16 in all, so four processes
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='PositionSampler'),
    dataset=dict(
        type='Positioned',
        dataset=dict(type='RawCityscapesDataset', data_root=data_root, split='train', pipeline=train_pipeline),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='RawCityscapesDataset', data_root=data_root, split='val', pipeline=val_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
