# gta2cityscapes_crops.py with rare-class sampling of the source, and crops of which no class fills more than 75 %
# (DAFormer).
_base_ = './gta2cityscapes_crops.py'
source_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels', mismatch='resize'),
    dict(type='Resize', scale={{_base_.source_size}}, keep_ratio=False),
    dict(type='RandomCrop', crop_size={{_base_.crop_size}}, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    dataset=dict(source=dict(pipeline=source_pipeline), rare_class_sampling=dict(temperature=0.01, min_share=0.0015))
)
