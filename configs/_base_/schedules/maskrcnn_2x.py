# mmdet's 2x: 24 epochs, 0.02 for 16 images a step, a tenth of it after epochs 16 and 22. For other batches:
# --cfg-options auto_scale_lr.enable=True
_base_ = ['mmdet::_base_/schedules/schedule_2x.py', '../runtime_detection.py']
