# Johnson et al.'s schedule: Adam at 1e-3, 40,000 iterations of 4 pictures.
_base_ = '../runtime.py'
custom_imports = dict(imports=['sw_mmseg.plugin', 'sw_mmseg.stylization'], allow_failed_imports=False)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40_000)
visualizer = dict(type='Visualizer')
custom_hooks = [dict(type='ImportanceRatioHook', interval=50), dict(type='StyleSamplesHook', interval=1000)]
