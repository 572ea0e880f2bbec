# runtime.py for mmpretrain's classifiers.
_base_ = './runtime.py'
default_scope = 'mmpretrain'
visualizer = dict(type='UniversalVisualizer')
default_hooks = dict(visualization=dict(_delete_=True, type='VisualizationHook', enable=False))
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
