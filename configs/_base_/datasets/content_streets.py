# The two photographs that come inside scikit-learn and the drawn streets of both domains, a third of the samples each.
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='PositionSampler'),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='Positioned',
        dataset=dict(
            type='ContentPictures',
            data_root=[
                'package://sklearn/datasets/images',
                'data/streets/varied/gta5/images',
                'data/streets/varied/cityscapes/leftImg8bit/train',
            ],
            size=96,
            crop='random',
        ),
    ),
)
