# DAFormer's training of a ViT-B that DINOv2 pretrained with its decoder.
_base_ = [
    '_base_/models/daformer_dinov2.py',
    '_base_/datasets/gta2cityscapes_rare.py',
    '_base_/adaptation/daformer.py',
    '_base_/schedules/daformer_40k.py',
]
model = dict(segmentor=_base_.segmentor, data_preprocessor=_base_.data_preprocessor)
optim_wrapper = dict(segmentor=_base_.segmentor_optimizer)
param_scheduler = dict(segmentor=_base_.learning_rate)
