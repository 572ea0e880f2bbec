# Source only: train on GTA5, score on Cityscapes' validation set.
# Sizes are AdaptSegNet's: GTA5 resized (not cropped) to 1280x720, Cityscapes to 1024x512, one picture a batch; neither
# the paper nor AdaptSegNet's description names another augmentation, so there is none. Labels keep their own size in
# validation, and predictions are brought up to it.
#
# Training squeezes GTA5's 1914x1052 (a few have 1046 rows) by 2 %, as AdaptSegNet does: all have one size in a batch.
# Tests keep the ratio: Cityscapes' 2048x1024 becomes 1024x512 either way, and what else is looked at, GTA5's own images
# or a user's, is not squeezed to 2:1.
source_size = (1280, 720)
target_size = (1024, 512)

source_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels', mismatch='resize'),  # a few of GTA5's label files are not of their image's size
    dict(type='Resize', scale=source_size, keep_ratio=False),
    dict(type='PackSegInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='Resize', scale=target_size, keep_ratio=True),
    dict(type='LoadLabels'),
    dict(type='PackSegInputs'),
]
test_pipeline = val_pipeline  # for mmseg's inference_model

source = dict(type='GTA5Dataset', data_root='data/gta5', pipeline=source_pipeline)
train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='PositionSampler'),
    dataset=dict(type='Positioned', dataset=source),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='RawCityscapesDataset', data_root='data/cityscapes', split='val', pipeline=val_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
