"""The config of a training on target images alone, made of that with which the given network was trained.

Where a few of them are labelled, they stand where the source stands in self-training with one: half of every batch.
"""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config, ConfigDict

from sw_mmseg.own_images.config import source_of, test_loader
from sw_mmseg.own_images.folders import Checked
from sw_mmseg.own_images.given_network import GivenNetwork
from sw_mmseg.own_images.options import KEPT, use_options
from sw_mmseg.own_images.pipelines import still_steps, training_steps
from sw_mmseg.own_images.plan import Choice
from sw_mmseg.running.paths import CONFIGS

__all__ = ['source_free_config', 'source_free_training']

PREPROCESSING = ('mean', 'std', 'bgr_to_rgb', 'rgb_to_bgr', 'pad_val', 'seg_pad_val', 'test_cfg')
SHARES = (0.5, 0.65)  # of the surest pixels of each class; a round each
RATE = 0.5  # of the learning rate of the given network's training, at the start of each round
SECOND = 0.1  # weight of a second head
AUGMENTATION = CONFIGS / '_base_' / 'adaptation' / 'cbst.py'
LIGHT = CONFIGS / '_base_' / 'datasets' / 'disturbances.py'  # of labelled images


def source_free_config(choice: Choice, checked: Checked, given: GivenNetwork, start: Path, options: dict) -> Config:
    """The config. `start` is a file with the segmentor's weights; `options` are those of the command line.

    Raises:
        UserError: the options do not fit.
    """
    config = source_free_training(given, choice.iterations, choice.seed, start, checked.few is not None)
    _use_data(config, choice, checked)
    use_options(config, options, '--from')
    return config


def source_free_training(
    given: GivenNetwork, iterations: int, seed: int, start: Path, labelled: bool = False
) -> Config:
    """The config but for its data; `labelled`: whether these are pairs of a labelled and an unlabelled image."""
    config = Config({key: given.config[key] for key in given.config if key in KEPT})
    shipped = Config.fromfile(AUGMENTATION)
    rounds = min(len(SHARES), iterations)
    length = -(-iterations // rounds)
    config.model = ConfigDict(
        type='ClassBalancedSelfTraining' if labelled else 'SourceFreeSelfTraining',
        segmentor=ConfigDict(given.segmentor, init_cfg=dict(type='Pretrained', checkpoint=str(start.resolve()))),
        data_preprocessor=_preprocessor(given),
        levels=[dict(head=head, lambda_seg=1.0 if head == 'decode_head' else SECOND) for head in given.heads()],
        round_length=length,
        shares=list(SHARES[:rounds]),
        augmentation=shipped.model.augmentation,
        zoom=shipped.model.zoom,
        statistics_images=0,
        statistics_from='target',
    )
    _use_optimizer(config, given, length, rounds, iterations)
    config.model_wrapper_cfg = ConfigDict(type='MMSeparateDistributedDataParallel')
    config.custom_hooks = _hooks(given, iterations)
    config.train_cfg = ConfigDict(type='IterBasedTrainLoop', max_iters=iterations, val_interval=iterations)
    config.default_hooks.checkpoint = ConfigDict(
        config.default_hooks.checkpoint, interval=max(1, iterations // 4), max_keep_ckpts=2
    )
    config.default_hooks.logger = ConfigDict(type='LoggerHook', interval=max(1, min(20, iterations // 20)))
    config.load_from, config.resume, config.randomness = None, False, ConfigDict(seed=seed)
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    return config


def _preprocessor(given: GivenNetwork) -> ConfigDict:
    """As given, where it takes two domains; else with its colours, and padding to no size: pipelines give all one."""
    settings = given.config.model.get('data_preprocessor') or {}
    if settings.get('type') == 'DomainPreprocessor':
        return settings
    return ConfigDict(type='DomainPreprocessor', **{key: settings[key] for key in PREPROCESSING if key in settings})


def _use_optimizer(config: Config, given: GivenNetwork, length: int, rounds: int, iterations: int) -> None:
    """That of the given config, at a part of its rate, with a cycle for each round."""
    optimizer = given.config.optim_wrapper
    config.optim_wrapper = ConfigDict(
        constructor='DomainOptimWrapperConstructor', segmentor=optimizer.get('segmentor', optimizer)
    )
    periods = [length] * (rounds - 1)
    restarts = ConfigDict(
        type='CosineRestartLR',
        periods=[*periods, iterations - sum(periods)],
        restart_weights=[RATE] * rounds,
        eta_min=0.0,
        begin=0,
        end=iterations,
        by_epoch=False,
    )
    config.param_scheduler = ConfigDict(segmentor=[restarts])


def _hooks(given: GivenNetwork, iterations: int) -> list[ConfigDict]:
    hooks = [
        ConfigDict(type='PseudoLabelRoundsHook'),
        ConfigDict(type='HealthHook'),
        ConfigDict(type='ImportanceRatioHook', interval=max(1, min(50, iterations // 4))),
    ]
    if any(hook.type == 'ChannelsLastHook' for hook in given.config.get('custom_hooks', [])):
        hooks.append(ConfigDict(type='ChannelsLastHook', part='segmentor'))
    return hooks


def _use_data(config: Config, choice: Choice, checked: Checked) -> None:
    target = ConfigDict(
        **source_of(checked.target, checked),
        pipeline=[*still_steps(checked.target, choice.short_side), ConfigDict(type='PackSegInputs')],
    )
    config.train_dataloader = ConfigDict(
        batch_size=choice.batch,
        num_workers=1,
        persistent_workers=True,
        sampler=ConfigDict(type='PositionSampler'),
        dataset=_pairs(choice, checked, target)
        if checked.few
        else ConfigDict(type='TargetAlone', target=target, classes=checked.table.to_dict()),
    )
    config.test_dataloader = test_loader(choice, checked, checked.target_val)
    config.test_pipeline = config.test_dataloader.dataset.pipeline  # for mmseg's inference_model
    config.test_cfg = ConfigDict(type='TestLoop')
    config.test_evaluator = ConfigDict(type='IoUMetric', iou_metrics=['mIoU'])


def _pairs(choice: Choice, checked: Checked, target: ConfigDict) -> ConfigDict:
    """Each labelled target image, in disturbed light, beside an unlabelled one."""
    light = Config.fromfile(LIGHT).light
    steps = training_steps(checked.few, choice.short_side, choice.target_crop, light)
    labelled = ConfigDict(**source_of(checked.few, checked), pipeline=[*steps, light[-1]])
    return ConfigDict(type='DomainPair', source=labelled, target=target)
