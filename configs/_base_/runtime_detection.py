# runtime.py for mmdet: its scope, its pictures, and lengths in epochs, as its schedules count.
_base_ = './runtime.py'
default_scope = 'mmdet'
log_processor = dict(by_epoch=True)
default_hooks = dict(
    logger=dict(log_metric_by_epoch=True),
    checkpoint=dict(by_epoch=True, interval=1),
    visualization=dict(type='DetVisualizationHook'),
)
visualizer = dict(type='DetLocalVisualizer')
custom_hooks = [
    dict(type='HealthHook'),  # stops at a loss that is no number
    dict(type='ImportanceRatioHook', interval=50),
]
