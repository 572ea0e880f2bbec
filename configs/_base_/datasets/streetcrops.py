# Things cut out of the streets, 32x32: trained and validated on the game's pictures, tested on the camera's. All of it
# is ours. Make the data with `python tools/dataset_converters/streets.py data/streets`.
num_classes = 9
data_root = 'data/streets/varied'
data_preprocessor = dict(num_classes=num_classes, mean=[105.0, 97.0, 84.0], std=[67.0, 63.0, 63.0], to_rgb=True)
train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=2),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='mmseg.PositionSampler'),
    dataset=dict(
        type='mmseg.Positioned',
        dataset=dict(type='StreetCrops', data_root=data_root, split='train', pipeline=train_pipeline),
    ),
)
val_dataloader = dict(
    batch_size=100,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='StreetCrops', data_root=data_root, split='test', per_class=100, pipeline=test_pipeline),
)
test_dataloader = dict(
    batch_size=100,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='StreetCrops', data_root=data_root, domain='target', split='test', per_class=100, pipeline=test_pipeline
    ),
)
val_evaluator = dict(type='Accuracy', topk=(1,))
test_evaluator = val_evaluator
