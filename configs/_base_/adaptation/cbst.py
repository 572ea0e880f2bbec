# Class-balanced self-training in rounds. A leaf fills in the segmentor, its optimiser and its schedule, `warmup` and
# `round_length`. The target's pipeline must not draw random numbers; the method mirrors, zooms and disturbs by itself.
model = dict(
    type='ClassBalancedSelfTraining',
    shares=[0.5, 0.65],  # of the pixels of each class, the surest; one a round
    target_weight=1.0,
    augmentation=dict(
        brightness=0.3,
        contrast=0.3,
        saturation=0.3,
        hue=0.05,
        jitter_probability=0.8,
        blur=(0.15, 1.15),
        blur_probability=0.5,
    ),
    zoom=1.5,
    class_mix=True,  # half of a source image's classes lie on each target image that is learnt from
    statistics_images=0,  # before a round; labels made with statistics of training were better where both were tried
    statistics_from='target',
)  # source, target, both, separate, frozen; see adaptsegnet.py
optim_wrapper = dict(constructor='DomainOptimWrapperConstructor')
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
custom_hooks = [
    dict(type='PseudoLabelRoundsHook'),
    dict(type='HealthHook'),
    dict(type='ImportanceRatioHook', interval=50),
    dict(type='SamplePicturesHook', interval=1000),
]
