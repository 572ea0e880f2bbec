# Your own two folders: labelled images of one kind, and any images, in any sub-folders, of the kind that the network
# is to work on. No label of the target is needed, so there is nothing to validate on: watch the losses, the
# discriminator's accuracy and the sample pictures, and look at predictions with `tools/predict.py`.
_base_ = './sw_adaptsegnet_gta2cityscapes.py'
train_dataloader = dict(
    dataset=dict(
        source=dict(data_root='data/my_source'),  # images/NAME.png and labels/NAME.png with Cityscapes' ids, as GTA5
        target=dict(data_root='data/my_target', img_dir=''),
    )
)
model = dict(statistics_from='target')  # evaluation meets target images only
val_dataloader = None
val_cfg = None
val_evaluator = None
