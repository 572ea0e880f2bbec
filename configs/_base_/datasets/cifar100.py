# CIFAR-100: as CIFAR-10, with its own classes and pixel statistics.
_base_ = './cifar10.py'
num_classes = 100
data_preprocessor = dict(num_classes=num_classes, mean=[129.304, 124.070, 112.434], std=[68.170, 65.392, 70.418])
source = dict(name='CIFAR100', data_root='data/cifar100')
train_dataloader = dict(dataset=dict(dataset=source))
val_dataloader = dict(dataset=source)
test_dataloader = val_dataloader
