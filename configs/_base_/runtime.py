# What every run shares: the plugin, the log, the hooks, the seed. A schedule sets the lengths and intervals that
# depend on it (train_cfg, val_cfg, test_cfg, checkpoint interval) and overrides them here by name.
default_scope = 'mmseg'
custom_imports = dict(imports=['sw_mmseg.plugin'], allow_failed_imports=False)

env_cfg = dict(
    cudnn_benchmark=True, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0), dist_cfg=dict(backend='nccl')
)  # without a GPU the tools take gloo
randomness = dict(seed=0)

log_level = 'INFO'
log_processor = dict(by_epoch=False)
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # no save_best: a checkpoint chosen on target labels is not an unsupervised result
    checkpoint=dict(type='SafeCheckpointHook', by_epoch=False, interval=5000, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
    # Ctrl-C or a scheduler's SIGTERM: end the iteration, write a checkpoint, stop; `--resume` goes on from it
    interrupt=dict(type='InterruptHook'),
)

vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
visualizer = dict(type='SegLocalVisualizer', vis_backends=vis_backends)  # unnamed: one a run, never shared

load_from = None
resume = False
