# small.py with the eleven classes of CamVid.
_base_ = './small.py'
segmentor = dict(decode_head=dict(num_classes=11))
