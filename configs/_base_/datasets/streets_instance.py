# People and vehicles on streets, 512x256: train on the game's pictures, score on those of them that were held out. How
# the same networks do on the camera's pictures is what tools/analysis/detection_study.py adds. The data are made by
# `python tools/dataset_converters/streets_instances.py data/streets_instances`.
data_root = 'data/streets_instances/varied'
batch_size = 2
metainfo = dict(classes=('person', 'vehicle'), palette=[(220, 20, 60), (0, 0, 142)])
resize = dict(type='Resize', scale=(512, 256), keep_ratio=True)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    resize,
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    resize,
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
game = dict(type='CocoDataset', data_root=data_root, data_prefix=dict(img=''), metainfo=metainfo)

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=1,
    persistent_workers=True,
    # the same pictures, mirrored alike, for every norm, and where a stopped run left off
    sampler=dict(type='mmseg.PositionSampler'),
    dataset=dict(
        type='mmseg.Positioned',
        dataset=dict(
            **game,
            ann_file='annotations/groups_game_train.json',
            filter_cfg=dict(filter_empty_gt=True),
            pipeline=train_pipeline,
        ),
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**game, ann_file='annotations/groups_game_val.json', test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='CocoMetric', ann_file=f'{data_root}/annotations/groups_game_val.json', metric=['bbox', 'segm']
)
test_evaluator = val_evaluator
