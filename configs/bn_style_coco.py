# Style transfer with BN at every norm, on COCO's pictures.
_base_ = [
    '_base_/models/style_network.py',
    '_base_/datasets/content_coco.py',
    '_base_/schedules/style_40k.py',
]
