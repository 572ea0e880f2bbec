# ISW with Table 6's network, trained on GTA5 alone: behind the first three groups of convolutions, as in RobustNet,
# covariances that light and colour move are suppressed.
_base_ = [
    '_base_/models/deeplabv2_vgg16.py',
    '_base_/datasets/gta5.py',
    '_base_/adaptation/isw.py',
    '_base_/schedules/poly_250k.py',
]
model = dict(
    segmentor=_base_.segmentor,
    data_preprocessor=_base_.data_preprocessor,
    layers=['norm1', 'norm2', 'norm3'],
    warmup=15_000,  # a tenth of the training, as RobustNet's five epochs are of its own
    compare=1000,
)
optim_wrapper = dict(segmentor=_base_.segmentor_optimizer)
param_scheduler = dict(segmentor=_base_.learning_rate)
