# COCO 2017 as it unpacks, in mmdet's sizes: the shorter side 800, the longer at most 1333; two images a GPU.
_base_ = 'mmdet::_base_/datasets/coco_instance.py'
