# FDA with Table 6's network: GTA5 with Cityscapes' low frequencies, and a robust penalty of Cityscapes' entropy.
_base_ = './bn_minent_gta2cityscapes.py'
train_dataloader = dict(dataset=dict(source_style=dict(type='FourierAmplitude', beta=0.01)))
model = dict(levels=[dict(head='decode_head', lambda_seg=1.0, lambda_ent=0.005)], loss_entropy=dict(robust=2.0))
