# Style transfer with BN at every norm, small, on photographs and streets; the style is drawn, nothing is downloaded.
_base_ = [
    '_base_/models/style_network_narrow.py',
    '_base_/datasets/content_streets.py',
    '_base_/schedules/style_small.py',
]
