# FDA on streets: source pictures with the target's low frequencies, and a robust penalty of the target's entropy.
_base_ = './bn_minent_streets.py'
# As many cycles a picture as beta=0.01 means at the paper's 1024x512: five from top to bottom, ten from left to right.
train_dataloader = dict(dataset=dict(source_style=dict(type='FourierAmplitude', beta=0.04)))
model = dict(levels=[dict(head='decode_head', lambda_seg=1.0, lambda_ent=0.005)], loss_entropy=dict(robust=2.0))
