# AdvEnt on streets: AdaptSegNet whose discriminators see weighted self-information instead of probabilities.
_base_ = './bn_adaptsegnet_streets.py'
model = dict(type='AdvEnt')
custom_hooks = [*_base_.custom_hooks, dict(type='PredictionHealthHook', window=100, interval=100)]
