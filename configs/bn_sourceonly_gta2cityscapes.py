# The network of bn_adaptsegnet_gta2cityscapes.py, trained on GTA5 alone and evaluated on Cityscapes.
_base_ = [
    '_base_/models/deeplabv2_vgg16.py',
    '_base_/datasets/gta5.py',
    '_base_/adaptation/sourceonly.py',
    '_base_/schedules/poly_250k.py',
]
model = dict(data_preprocessor=_base_.data_preprocessor, **_base_.segmentor)
optim_wrapper = _base_.segmentor_optimizer
param_scheduler = _base_.learning_rate
