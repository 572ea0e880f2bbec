# Drawn streets to photographs: train on streets with CamVid's classes, look at CamVid's validation photographs, score
# on its test photographs. Both are of 480x360 pixels; networks see 256x192, and predictions are brought up to the
# labels' size.
# Make the source with `python tools/dataset_converters/streets.py data/streets_camvid --variant broad --size 480x360
# --source 1200 --target-train 1 --target-val 1`; data/README.md says where CamVid is.
_base_ = './disturbances.py'
size = (256, 192)
batch_size = 6

source_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='Resize', scale=size, keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
# Other light and colours, whole images: `jitter`, and every method that meets the target.
disturbed_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='Resize', scale=size, keep_ratio=False),
    *_base_.light,
]
# For longer trainings: three quarters to twice the size, cropped or padded to one size, then more disturbances; with
# `ClassMix` around the data set.
strong_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='RandomResize', scale=size, ratio_range=(0.75, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=size[::-1], cat_max_ratio=0.75),
    dict(type='Pad', size=size, pad_val=dict(img=127, seg=255)),
    *_base_.disturbances,
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='Resize', scale=size, keep_ratio=False),
    dict(type='LoadLabels'),
    dict(type='PackSegInputs'),
]
test_pipeline = val_pipeline  # for mmseg's inference_model

source = dict(type='GTA5AsCamVid', data_root='data/streets_camvid/broad/gta5', pipeline=source_pipeline)
disturbed_source = dict(source, pipeline=disturbed_pipeline)
rare_class_sampling = dict(temperature=0.05)
train_dataloader = dict(
    batch_size=batch_size,  # of each domain
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='PositionSampler'),
    dataset=dict(type='Positioned', dataset=source),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CamVidDataset', data_root='data/camvid', split='val', pipeline=val_pipeline),
)
test_dataloader = dict(val_dataloader, dataset=dict(val_dataloader['dataset'], split='test'))
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
