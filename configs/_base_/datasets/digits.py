# Handwritten digits of scikit-learn at 32x32, padded by 2 and cropped at random for training; not mirrored. The paper
# has no such set: all of it is ours.
num_classes = 10
data_preprocessor = dict(num_classes=num_classes, mean=[78.0] * 3, std=[82.0] * 3, to_rgb=False)
train_pipeline = [dict(type='RandomCrop', crop_size=32, padding=2), dict(type='PackInputs')]
test_pipeline = [dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='mmseg.PositionSampler'),
    dataset=dict(type='mmseg.Positioned', dataset=dict(type='Digits', split='train', pipeline=train_pipeline)),
)
val_dataloader = dict(
    batch_size=100,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='Digits', split='test', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=(1,))
test_evaluator = val_evaluator
