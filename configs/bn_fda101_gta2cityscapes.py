# FDA on ResNet101: GTA5 with Cityscapes' low frequencies, and a robust penalty of Cityscapes' entropy.
_base_ = './bn_minent101_gta2cityscapes.py'
train_dataloader = dict(dataset=dict(source_style=dict(type='FourierAmplitude', beta=0.01)))
model = dict(
    levels=[
        dict(head='decode_head', lambda_seg=1.0, lambda_ent=0.005),
        dict(head='auxiliary_head', lambda_seg=0.1, lambda_ent=0.001)],
    loss_entropy=dict(robust=2.0))
