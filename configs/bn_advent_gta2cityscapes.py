# AdvEnt: AdaptSegNet whose discriminators see weighted self-information instead of probabilities.
_base_ = './bn_adaptsegnet_gta2cityscapes.py'
model = dict(type='AdvEnt', statistics_from='target')  # not in the paper's tables, so what serves users
