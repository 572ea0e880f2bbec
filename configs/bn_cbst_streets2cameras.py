# The small network on streets, by self-training in rounds.
_base_ = [
    '_base_/models/small_streets2cameras.py',
    '_base_/datasets/streets2cameras.py',
    '_base_/adaptation/cbst.py',
    '_base_/schedules/small_rounds.py',
]
model = dict(
    segmentor=_base_.segmentor,
    data_preprocessor=_base_.data_preprocessor,
    warmup=_base_.source_iterations,
    round_length=_base_.round_length,
)
optim_wrapper = dict(segmentor=_base_.segmentor_optimizer)
param_scheduler = dict(segmentor=_base_.learning_rate)
train_dataloader = dict(dataset=dict(target=dict(pipeline=_base_.still_pipeline)))
custom_hooks = [dict(hook, **_base_.hook_settings.get(hook['type'], {})) for hook in _base_.custom_hooks]
custom_hooks.append(dict(type='ChannelsLastHook', part='segmentor'))  # a third faster on a CPU
