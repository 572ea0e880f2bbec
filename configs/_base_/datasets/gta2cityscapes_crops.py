# Adaptation by self-training: both domains in crops of one size, so that pieces of one can be pasted into the other.
# Resized as in gta5.py, then cropped and mirrored; two of each a batch (DACS).
_base_ = './gta2cityscapes.py'
crop_size = (512, 512)
source_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels', mismatch='resize'),
    dict(type='Resize', scale={{_base_.source_size}}, keep_ratio=False),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
target_pipeline = [
    dict(type='LoadImage'),
    dict(type='Resize', scale={{_base_.target_size}}, keep_ratio=False),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=2,  # of each domain
    dataset=dict(source=dict(pipeline=source_pipeline), target=dict(pipeline=target_pipeline)),
)
