# Instance-selective whitening: source images alone. A leaf fills in the segmentor, its optimiser, its schedule, the
# `layers` to whiten and how long the warm-up is.
model = dict(
    type='InstanceSelectiveWhitening',
    lambda_isw=0.6,
    clusters=3,  # of the covariances' variances under photometric change; all but the lowest are suppressed
    view=dict(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.3, blur=(0.15, 1.15)),
)
# Only source images move running statistics; statistics_from='frozen' stops these too.
optim_wrapper = dict(constructor='DomainOptimWrapperConstructor')
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
custom_hooks = [
    dict(type='HealthHook'),
    dict(type='ImportanceRatioHook', interval=50),
    dict(type='SamplePicturesHook', interval=1000),
]
