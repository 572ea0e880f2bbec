# COCO's training pictures, or any folder of pictures, as contents.
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='PositionSampler'),
    collate_fn=dict(type='default_collate'),
    dataset=dict(type='Positioned', dataset=dict(type='ContentPictures', data_root='data/coco/train2014', size=256)),
)
