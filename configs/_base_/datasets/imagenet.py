# ImageNet, crops of 224 pixels: random ones, mirrored, for training; the middle of the image at 256 pixels for testing.
# Eight processes of 32 images make the batch of 256. data/README.md says how the folder must look.
num_classes = 1000
data_root = 'data/imagenet'
data_preprocessor = dict(
    num_classes=num_classes, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=224, backend='pillow'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='mmseg.PositionSampler'),
    dataset=dict(
        type='mmseg.Positioned',
        dataset=dict(
            type='ImageFolders', data_root=data_root, split='train', num_classes=num_classes, pipeline=train_pipeline
        ),
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ImageFolders', data_root=data_root, split='val', num_classes=num_classes, pipeline=test_pipeline
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=(1, 5))
test_evaluator = val_evaluator
