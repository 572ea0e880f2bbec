# Cityscapes' eight classes with instances. Its files, beside those that segmentation needs, are made by
# `python tools/dataset_converters/cityscapes_instances.py data/cityscapes`. Scored by COCO's AP; Cityscapes' own needs
# its scripts.
_base_ = 'mmdet::_base_/datasets/cityscapes_instance.py'
val_evaluator = dict(
    _delete_=True,
    type='CocoMetric',
    ann_file='data/cityscapes/annotations/instancesonly_filtered_gtFine_val.json',
    metric=['bbox', 'segm'],
)
test_evaluator = val_evaluator
