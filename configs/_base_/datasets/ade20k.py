# ADE20K: 20,210 training pictures, 2,000 to validate and test on, 150 classes, laid out as mmsegmentation has it.
# PSPNet's augmentation of it: resize by 0.5 to 2, rotation by up to 10 degrees, blur, mirror. The paper and PSPNet do
# not give a crop size: mmsegmentation's, as are the scale and the crop's limit on one class's share.
crop_size = (512, 512)
num_classes = 150
tta_scales = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)  # of --tta, each plain and mirrored: mmsegmentation's, and PSPNet's code

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='RandomResize', scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomRotate', prob=0.5, degree=10.0, pad_val=0, seg_pad_val=255),
    dict(type='RandomBlur', prob=0.5),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
val_pipeline = [
    dict(type='LoadImageFromFile'),  # by this name mmseg's inferencer puts in its own
    dict(type='Resize', scale=(2048, 512), keep_ratio=True),
    dict(type='LoadLabels'),  # labels keep their own size: predictions are brought up to it
    dict(type='PackSegInputs'),
]
test_pipeline = val_pipeline  # for mmseg's inference_model

data_root = 'data/ade/ADEChallengeData2016'
train_dataloader = dict(
    batch_size=4,  # a process; PSPNet and the paper train on 16 in all, so four processes
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='PositionSampler'),
    dataset=dict(
        type='Positioned',
        dataset=dict(type='FoldersADE20K', data_root=data_root, split='training', pipeline=train_pipeline),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='FoldersADE20K', data_root=data_root, split='validation', pipeline=val_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])  # which also gives pixel accuracy, aAcc
test_evaluator = val_evaluator
