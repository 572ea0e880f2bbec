"""A trained network to adapt without its source: a folder of tools/adapt.py, or a config and a checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmseg.registry import MODELS

from sw_mmseg.adaptation import without_wrappers
from sw_mmseg.datasets import ClassTable, parse_class_table, read_class_table
from sw_mmseg.datasets.known_tables import find_class_table
from sw_mmseg.datasets.labelled_images import as_class_table
from sw_mmseg.running.checkpoints import fitting, read_weights
from sw_mmseg.running.configs import build, load_config, require_test_data
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.prediction import meta_of

__all__ = ['GivenNetwork', 'read_given', 'segmentor_of']

PART = 'segmentor.'  # of an adaptation model
FILES = ('config.py', 'checkpoint.pth', 'classes.yaml')  # in a folder of tools/adapt.py


@dataclass(frozen=True)
class GivenNetwork:
    """A segmentor and what it was trained with.

    Attributes:
        config: of its training.
        segmentor: the part of that config which is the network, without what would load other weights.
        weights: of the segmentor, by its own names.
        table: its classes, with the ids that label files hold for them.
        side: pixels of the short side at which it looks at images.
    """

    config: Config
    segmentor: ConfigDict
    weights: dict[str, torch.Tensor]
    table: ClassTable
    side: int | None

    def heads(self) -> list[str]:
        """Names of its heads, the main one first."""
        return [head for head in ('decode_head', 'auxiliary_head') if self.segmentor.get(head)]


def read_given(words: Sequence[str], classes: str | None) -> GivenNetwork:
    """Of `--from FOLDER` or `--from CONFIG CHECKPOINT`, with `--classes` where label files have other ids.

    Raises:
        UserError: files are missing or do not fit each other, or it is no segmentor.
    """
    folder = Path(words[0])
    if len(words) == 1:
        lost = [name for name in FILES if not (folder / name).is_file()]
        if lost:
            raise UserError(
                f'--from {folder}: there is no {lost[0]}. Give a folder that tools/adapt.py left, or a config and a '
                'checkpoint'
            )
    config_file, checkpoint = (folder / FILES[0], folder / FILES[1]) if len(words) == 1 else words
    config = load_config(str(config_file), {})
    segmentor = segmentor_of(config, str(config_file))
    require_test_data(config, str(config_file))
    network = build('model', lambda: MODELS.build(segmentor))
    weights = fitting(network, _part(read_weights(str(checkpoint))), str(checkpoint))
    table = read_class_table(folder / FILES[2]) if len(words) == 1 else _table(config)
    if len(table.classes) != network.decode_head.num_classes:
        raise UserError(
            f'--from: the network tells {network.decode_head.num_classes} classes apart, and {config_file} names '
            f'{len(table.classes)}'
        )
    if classes:
        named = find_class_table(classes)
        if named.names != table.names:
            raise UserError(
                f'--classes {classes}: the network of --from has the classes {", ".join(table.names)}, in this order; '
                'the table may give other ids for them, not other classes'
            )
        table = named
    return GivenNetwork(config, segmentor, weights, table, _side(config))


def segmentor_of(config: Config, file: str) -> ConfigDict:
    """The network of a training's config, without what would load other weights. Raises UserError, which names `file`,
    where there is none."""
    model = config.get('model', ConfigDict())
    segmentor = copy.deepcopy(model.get('segmentor') or model)
    if 'decode_head' not in segmentor or 'backbone' not in segmentor:
        raise UserError(f'--from {file}: its model is no segmentor with a backbone and a head')
    for key in ('data_preprocessor', 'pretrained', 'init_cfg'):
        segmentor.pop(key, None)
    if not segmentor.backbone.get('tuning'):  # of a frozen network the checkpoint holds what was learnt alone
        segmentor.backbone.init_cfg = None
    segmentor.backbone.pop('pretrained', None)
    if segmentor.type == 'EncoderDecoder':
        segmentor.type = 'MultiLevelSegmentor'
    return segmentor


def _part(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The segmentor's weights of a checkpoint of itself or of an adaptation model."""
    names = {without_wrappers(key): value for key, value in state.items()}
    inside = {key.removeprefix(PART): value for key, value in names.items() if key.startswith(PART)}
    return inside or names


def _table(config: Config) -> ClassTable:
    """Of the config's data sets: their class table, or their names with the numbers of the network as ids."""
    dataset = config.test_dataloader.dataset
    if 'classes' in dataset:
        return as_class_table(dataset.classes.to_dict() if hasattr(dataset.classes, 'to_dict') else dataset.classes)
    meta = build('data set', lambda: meta_of(dataset))
    rows = [
        {'name': name, 'ids': [number], 'color': list(color)}
        for number, (name, color) in enumerate(zip(meta['classes'], meta['palette']))
    ]
    return parse_class_table({'classes': rows}, 'the classes of --from')


def _side(config: Config) -> int | None:
    """Of the test pipeline's Resize."""
    steps = config.test_dataloader.dataset.pipeline
    scale = next((step.scale for step in steps if step.type == 'Resize' and 'scale' in step), None)
    return None if scale is None else min(scale) if isinstance(scale, (tuple, list)) else int(scale)
