# AdvEnt on streets: AdaptSegNet whose discriminators see weighted self-information instead of probabilities.
_base_ = './bn_adaptsegnet_streets.py'
model = dict(type='AdvEnt')
