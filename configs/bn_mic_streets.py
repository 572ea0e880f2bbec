# Self-training and masked-image consistency on streets, BN at the five sites. Patches are as large a part of these
# pictures, 128 pixels high, as MIC's are of crops of 512.
_base_ = './bn_dacs_streets.py'
model = dict(masking=dict(block=16, ratio=0.7, weight=1.0))
