# Table 7: Mask R-CNN, ResNet50 and FPN, 2x. The baseline is mmdet's own network.
_base_ = ['_base_/models/maskrcnn_r50_fpn.py', '_base_/datasets/coco_instance.py', '_base_/schedules/maskrcnn_2x.py']
