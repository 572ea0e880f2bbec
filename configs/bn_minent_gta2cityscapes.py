# MinEnt with Table 6's network: DeepLab-v2 on VGG16 with BN at the five sites, its predictions on Cityscapes decided.
_base_ = [
    '_base_/models/deeplabv2_vgg16.py',
    '_base_/datasets/gta2cityscapes.py',
    '_base_/adaptation/minent.py',
    '_base_/schedules/poly_250k.py',
]
model = dict(segmentor=_base_.segmentor, data_preprocessor=_base_.data_preprocessor)
optim_wrapper = dict(segmentor=_base_.segmentor_optimizer)
param_scheduler = dict(segmentor=_base_.learning_rate)
