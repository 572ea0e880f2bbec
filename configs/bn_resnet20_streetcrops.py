# ResNet-20 with BN on things cut out of the streets.
_base_ = [
    '_base_/models/resnet_cifar.py',
    '_base_/datasets/streetcrops.py',
    '_base_/schedules/small_images.py',
]
model = dict(data_preprocessor=_base_.data_preprocessor, head=dict(num_classes=_base_.num_classes))
