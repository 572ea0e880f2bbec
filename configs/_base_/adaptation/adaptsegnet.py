# AdaptSegNet, single level. A leaf fills in `model.segmentor`, and the segmentor's optimiser and schedule.
model = dict(
    type='AdaptSegNet',
    discriminator=dict(type='OutputDiscriminator', num_classes=19, width=64),
    levels=[dict(head='decode_head', lambda_seg=1.0, lambda_adv=0.001)],
    loss_adversarial=dict(type='AdversarialLoss', kind='vanilla'),  # 'least_squares' goes with lambda_adv=0.01
    # Whose images move the running statistics: source, target, both, separate, frozen. lambda_adv=0 is not source-only
    # training: target images still pass forward and, unless this says 'source', move them.
    statistics_from='target',
)
optim_wrapper = dict(
    constructor='DomainOptimWrapperConstructor',
    discriminator=dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
model_wrapper_cfg = dict(type='MMSeparateDistributedDataParallel')  # two players, two wrappers
custom_hooks = [
    dict(type='DiscriminatorHealthHook', window=500, interval=500),
    dict(type='PredictionHealthHook', window=500, interval=500),
    dict(type='ImportanceRatioHook', interval=50),
    dict(type='SamplePicturesHook', interval=1000),
]
