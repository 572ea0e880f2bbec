# Source only on streets: train on the game's pictures, score on the camera's validation pictures. All of it is ours:
# 256x128 as generated, batches of two, mirrored at random (the real sets are large enough to do without).
# Make the data with `python tools/dataset_converters/streets.py data/streets`, for another target with --variant too.
# data/README.md says how to train on another target, homogeneous or mixed.
data_root = 'data/streets/varied'
batch_size = 2

source_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
val_pipeline = [dict(type='LoadImage'), dict(type='LoadLabels'), dict(type='PackSegInputs')]
test_pipeline = val_pipeline  # for mmseg's inference_model

source = dict(type='GTA5Dataset', data_root=f'{data_root}/gta5', pipeline=source_pipeline)
train_dataloader = dict(
    batch_size=batch_size,  # for each domain
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='PositionSampler'),
    dataset=dict(type='Positioned', dataset=source),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='RawCityscapesDataset', data_root=f'{data_root}/cityscapes', split='val', pipeline=val_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
