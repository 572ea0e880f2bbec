"""`--cfg-options` of adapt: settings of the configs that it makes, but for those that it plans itself."""

from __future__ import annotations

from mmengine.config import Config

from sw_mmseg.running.configs import check_options, settle_workers
from sw_mmseg.running.errors import UserError

__all__ = ['KEPT', 'refuse_options', 'source_only_options', 'use_options']

SAID_OTHERWISE = {  # settings of configs that options of adapt give
    'randomness.seed': 'seed',
    'resume': 'resume',
    'train_cfg.max_iters': 'iterations',
    'train_dataloader.batch_size': 'batch-size',
    'work_dir': 'out',
}
KEPT = {
    'custom_hooks',
    'custom_imports',
    'default_hooks',
    'default_scope',
    'env_cfg',
    'load_from',
    'log_level',
    'log_processor',
    'model',
    'model_wrapper_cfg',
    'optim_wrapper',
    'param_scheduler',
    'randomness',
    'resume',
    'test_cfg',
    'test_dataloader',
    'test_evaluator',
    'test_pipeline',
    'train_cfg',
    'train_dataloader',
    'val_cfg',
    'val_dataloader',
    'val_evaluator',
    'vis_backends',
    'visualizer',
}


def refuse_options(options: dict) -> None:
    """Raises UserError where one of `--cfg-options` would contradict what the run is said, and planned, to be."""
    for key in options.keys() & SAID_OTHERWISE.keys():
        raise UserError(f'--cfg-options {key}: say --{SAID_OTHERWISE[key]} in its place')


def use_options(config: Config, options: dict, name: str) -> None:
    """`--cfg-options` into the config; raises UserError, with the config's `name`, where they do not fit."""
    check_options(config, options)
    for key in options:
        if key.split('.')[0] not in KEPT:
            raise UserError(f'--cfg-options {key}: adapt makes trainings that do not read it')
    try:
        config.merge_from_dict(options)
    except (KeyError, TypeError, IndexError, AssertionError) as error:
        raise UserError(f'--cfg-options do not fit {name}: {error}') from error
    settle_workers(config)


def source_only_options(config: Config, options: dict) -> dict:
    """`--cfg-options` of a method, for the source-only training beside it: without `segmentor.`, and without what it
    has not."""
    short = {key.replace('segmentor.', ''): value for key, value in options.items() if not _of_method(config, key)}
    return {key: value for key, value in short.items() if has_parent(config, key)}


def _of_method(config: Config, key: str) -> bool:
    """Whether an option is the method's own, such as `model.statistics_from`, and not its segmentor's."""
    parts = key.split('.')
    return parts[0] == 'model' and len(parts) > 1 and parts[1] != 'segmentor' and parts[1] not in config.model


def has_parent(config: Config, key: str) -> bool:
    """Whether what a dotted key is set in is there."""
    node: object = config
    for part in key.split('.')[:-1]:
        if isinstance(node, (list, tuple)):
            node = node[int(part)] if part.isdigit() and int(part) < len(node) else None
        else:
            node = node.get(part) if isinstance(node, (dict, Config)) else None
        if node is None:
            return False
    return True
