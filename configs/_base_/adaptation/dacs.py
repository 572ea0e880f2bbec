# Self-training with a mean teacher: DACS. A leaf fills in the segmentor, its optimiser and its schedule.
model = dict(
    type='SelfTraining',
    alpha=0.99,  # of the teacher
    threshold=0.968,
    target_weight=1.0,
    augmentation=dict(
        brightness=0.25,
        contrast=0.25,
        saturation=0.25,
        hue=0.25,
        jitter_probability=0.8,
        blur=(0.15, 1.15),
        blur_probability=0.5,
    ),
    teacher_statistics='batch',  # or 'running', see sw_mmseg/adaptation/teacher.py
    # Whose images move the running statistics; mixed ones count as target. See adaptsegnet.py.
    statistics_from='target',
)
optim_wrapper = dict(constructor='DomainOptimWrapperConstructor')
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')  # wraps the segmentor, leaves the teacher alone
custom_hooks = [
    dict(type='SelfTrainingHealthHook', window=500, interval=500),
    dict(type='ImportanceRatioHook', interval=50),
    dict(type='SamplePicturesHook', interval=1000),
]
