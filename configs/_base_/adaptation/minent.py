# Entropy minimisation (MinEnt), single level. A leaf fills in the segmentor, its optimiser and its schedule.
model = dict(
    type='EntropyMinimization',
    levels=[dict(head='decode_head', lambda_seg=1.0, lambda_ent=0.001)],
    loss_entropy=dict(type='EntropyLoss'),  # robust=2.0 is FDA's penalty
    statistics_from='target',
)  # source, target, both, separate, frozen; see adaptsegnet.py
optim_wrapper = dict(constructor='DomainOptimWrapperConstructor')
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')
custom_hooks = [
    dict(type='PredictionHealthHook', window=500, interval=500),
    dict(type='ImportanceRatioHook', interval=50),
    dict(type='SamplePicturesHook', interval=1000),
]
