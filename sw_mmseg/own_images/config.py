"""The config of a training on a user's two folders, made of a shipped one, which has the method.

The user's classes, data, sizes, norm and length are put in. Nothing that reads
target labels is left in it but what `--target-few` gives.
"""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config, ConfigDict

from sw_mmseg.own_images.folders import Checked, Folder
from sw_mmseg.own_images.labelled_data import class_weights, drawn_shares, several
from sw_mmseg.own_images.options import KEPT, source_only_options, use_options
from sw_mmseg.own_images.pipelines import common_crop, resizing, still_steps, training_steps
from sw_mmseg.own_images.plan import NO_SITES, Choice, config_file
from sw_mmseg.running.config_nodes import config_dicts
from sw_mmseg.running.networks import set_network
from sw_mmseg.running.norms import set_norm
from sw_mmseg.running.schedules import quarter, schedule_options

__all__ = [
    'held_out',
    'make_config',
    'source_of',
    'test_loader',
    'use_data',
    'own_white',
    'use_length',
]

STREETS_ONLY = {'PseudoLabelAccuracyHook'}  # it reads labels of the target


def make_config(choice: Choice, checked: Checked, method: str, options: dict) -> Config:
    """The config of one training. Raises UserError where `options`, of the command line, do not fit."""
    config = set_network(Config.fromfile(config_file(choice.network, method)), choice.network)
    shares = drawn_shares(checked, choice.few_share, choice.source_shares)
    for node in config_dicts(config.model):
        if 'num_classes' in node:
            node.num_classes = len(checked.table.classes)
        if 'class_weight' in node:
            node.class_weight = class_weights(checked, shares)
    if choice.norm != NO_SITES:
        set_norm(config, choice.norm)
    config.model.pop('ignore_rows', None)  # of Cityscapes' camera
    if config.model.get('statistics_from') == 'both':
        config.model.statistics_from = 'target'  # predictions meet target images only
    if config.model.type == 'ClassBalancedSelfTraining':
        config.model.statistics_images = 0  # re-estimated ones gave less in two runs, docs/own_images.md
    use_data(config, choice, checked)
    use_length(config, choice.iterations)
    config.randomness = ConfigDict(seed=choice.seed)
    method_options = options if method in choice.trainings else source_only_options(config, options)
    use_options(config, method_options, config_file(choice.network, method).name)
    return Config({key: config[key] for key in config if key in KEPT})


def use_data(config: Config, choice: Choice, checked: Checked) -> None:
    """The user's folders in place of the config's data, whose own augmentation stays."""
    dataset = config.train_dataloader.dataset
    crops = choice.source_crop, choice.target_crop
    if config.model.type == 'SelfTraining':  # pastes pixels of one domain into the other's
        crops = (common_crop(checked, choice.short_side, crops),) * 2
    shares = drawn_shares(checked, choice.few_share, choice.source_shares)
    still = config.model.type == 'ClassBalancedSelfTraining'
    for key in ('source', 'dataset', 'target'):
        if key in dataset:
            mixed = dataset[key].type == 'ClassMix'
            shipped = (dataset[key].dataset if mixed else dataset[key]).pipeline

            def prepared(folder: Folder, mixed=mixed, shipped=shipped) -> ConfigDict:
                crop = crops[0] if folder in checked.sources else crops[1]
                steps = (
                    still_steps(folder, choice.short_side)
                    if still and folder is checked.target
                    else training_steps(folder, choice.short_side, crop, shipped)
                )
                data = ConfigDict(**source_of(folder, checked), pipeline=[*steps, shipped[-1]])
                return ConfigDict(type='ClassMix', dataset=data) if mixed else data

            dataset[key] = prepared(checked.target) if key == 'target' else several(checked, shares, prepared)
    config.train_dataloader.batch_size = choice.batch
    workers = 1 if choice.network in ('small', 'narrow') else 4
    config.train_dataloader.update(num_workers=workers, persistent_workers=True)
    config.val_dataloader = config.val_cfg = config.val_evaluator = None  # nothing is chosen by a score
    config.test_dataloader = test_loader(choice, checked, checked.target_val)
    config.test_pipeline = config.test_dataloader.dataset.pipeline  # for mmseg's inference_model
    config.test_evaluator = ConfigDict(type='IoUMetric', iou_metrics=['mIoU'])


def source_of(folder: Folder, checked: Checked, **more) -> dict:
    """The data set of a folder, without its pipeline."""
    images = str(Path(folder.images).resolve())
    out = {'leave_out': sorted(folder.leave_out)} if folder.leave_out else {}
    if folder.labels is None:
        if checked.source is None:  # nothing else says what the classes are called
            out['metainfo'] = {'classes': list(checked.table.names), 'palette': checked.table.palette}
        return {'type': 'UnlabelledImages', 'data_root': images, **out}
    if folder in checked.sources and not more and held_out(folder):
        more = {'hold_out': held_out(folder)}
    return {
        'type': 'LabelledImages',
        'images': images,
        'labels': str(Path(folder.labels).resolve()),
        'classes': (folder.table or checked.table).to_dict(),
        'image_suffix': folder.suffixes[0],
        'label_suffix': folder.suffixes[1],
        **({'label_frame': folder.scan.frame} if folder.scan.frame else {}),
        **out,
        **more,
    }


def held_out(folder: Folder) -> int:
    """One image of a source in so many is kept apart to test on, at most about fifty; 0: too few to spare any."""
    count = len(folder.names)
    return max(10, count // 50) if count >= 40 else 0


def test_loader(choice: Choice, checked: Checked, folder: Folder | None, scored: bool = False) -> ConfigDict:
    """One image a batch, labels at their own size: of `folder`, of a source's those that were kept apart (all, where
    none were); of the first source for None, or, without labels, of the target where there is no source. Images are
    read as the target's are, which predictions are made of; where the folder is `scored`, as it was checked and is
    trained on."""
    folder = folder or checked.source or checked.target
    spared = held_out(folder) if folder in checked.sources else 0
    hold_out_options = {'hold_out': spared, 'held_out': True} if spared else {}
    white = checked.target.scan.white or folder.scan.white  # of which images of 8 bits take no notice
    bands = dict(zip(('bands', 'bands_of'), checked.target.scan.bands or folder.scan.bands or ()))
    load, *label_steps = folder.loading()
    if not scored:
        load = {'type': 'LoadImage', **({'white': white} if white else {}), **bands}
    steps = [load, *resizing(choice.short_side), *label_steps, {'type': 'PackSegInputs'}]
    dataset = {**source_of(folder, checked, **hold_out_options), 'pipeline': steps}
    return ConfigDict(
        batch_size=1,
        num_workers=1,
        persistent_workers=False,
        dataset=dataset,
        sampler={'type': 'DefaultSampler', 'shuffle': False},
    )


def own_white(checked: Checked) -> list[str]:
    """Words by which `test` reads deep images of --target-val as they were checked, where their white is not the
    target's, which the config has for predictions."""
    white = checked.target_val.scan.white if checked.target_val else None
    if white in (None, checked.target.scan.white or white):
        return []
    return ['--cfg-options', f'test_dataloader.dataset.pipeline.0.white={white}']


def use_length(config: Config, iterations: int) -> None:
    """Loop, schedules and intervals for so many iterations; every schedule ends with the training."""
    lists = config.param_scheduler
    for schedule in config_dicts(list(lists.values()) if isinstance(lists, dict) else lists):
        if schedule.get('end', 0) > config.train_cfg.max_iters:
            schedule.end = config.train_cfg.max_iters
    config.merge_from_dict(schedule_options(config, iterations))
    config.train_cfg.val_interval = iterations
    config.default_hooks.checkpoint.update(
        interval=quarter(iterations), max_keep_ckpts=2
    )  # of these `learning.py` tells
    config.custom_hooks = [hook for hook in config.custom_hooks if hook.type not in STREETS_ONLY]
    for hook in config.custom_hooks:
        if 'interval' in hook:
            hook.interval = max(1, min(hook.interval, iterations // 4))
        if 'window' in hook:
            hook.window = min(hook.window, hook.interval)
