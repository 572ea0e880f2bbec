"""Which networks come with the package, and the trainings that make each: one of the study on photographs, those of the
demo, and two small ones."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sw_mmseg.running.errors import UserError
from sw_mmseg.running.ready_weights import CLASSIFICATION, PHOTOGRAPHS, SEGMENTATION, STREETS, STYLE
from sw_mmseg.running.training import Run
from sw_mmseg.studies.demo import trainings
from sw_mmseg.studies.demo.rows import SELF_TRAINING, SOURCE_ONLY
from sw_mmseg.studies.photographs.cells import Cell, configured

__all__ = ['BROAD', 'BROAD_OPTIONS', 'FEWER_BITS', 'NAMES', 'Recipe', 'draws_broad', 'draws_streets', 'recipes']

SEED = 0
DEMO = 'bn_jitter_streets2cameras'  # builds the network of the demo, whichever method trained it
PHOTOGRAPH_CELL = Cell('jitter', 'bn', SEED, iterations=600)  # the source alone
SIDES = {STREETS: 128, PHOTOGRAPHS: 192}  # pixels of the shorter side in training
FEWER_BITS = {'photographs': 6}  # see `packing`; with so few `streets` loses half a point
ITERATIONS = {'sw_resnet20_digits': 240, 'sw_style_streets': 240}
NAMES = ('photographs', 'streets', 'streets_sw', 'streets_source', 'digits', 'style')

BROAD = Path('data/streets_camvid')  # of the configs of the study on photographs
BROAD_OPTIONS: dict[str, Any] = dict(variant='broad', size=(480, 360), source=1200, target_train=1, target_val=1)
# No photograph is needed to train: what the config would look at afterwards is left out.
UNSEEN = {'val_dataloader': None, 'val_cfg': None, 'val_evaluator': None}


@dataclass(frozen=True)
class Recipe:
    """A network to publish: what builds it, and the trainings that make it, in their order."""

    name: str
    task: str
    summary: str
    config: str
    norm: str | None
    runs: tuple[Run, ...]
    iterations: tuple[int, ...]
    images: str = ''

    @property
    def short_side(self) -> int:
        """Of training images, in pixels; 0 of what segments nothing."""
        return SIDES.get(self.images, 0)

    @property
    def checkpoint(self) -> Path:
        """Where the last training leaves it."""
        return self.runs[-1].folder / f'iter_{self.iterations[-1]}.pth'


def draws_broad(names: Iterable[str]) -> bool:
    """Whether one of them learns broad streets."""
    return 'photographs' in names


def draws_streets(names: Iterable[str]) -> bool:
    """Whether one of them learns the demo's streets."""
    return not {'photographs', 'digits'}.issuperset(names)


def recipes(names: list[str], data: Path, work_dir: Path, broad: Path = BROAD / 'broad') -> list[Recipe]:
    """Those of the names given.

    Args:
        data: the drawn streets, a folder with gta5/ and cityscapes/.
        work_dir: where trainings are, or will be; those of the demo and of the study on photographs have the same ones.
        broad: the drawn streets for photographs, a folder with gta5/.

    Raises:
        UserError: no such name.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise UserError(f'no weights {", ".join(unknown)}: one of {", ".join(NAMES)}')
    return [_photographs(broad, work_dir) if name == 'photographs' else _recipe(name, data, work_dir) for name in names]


def _recipe(name: str, data: Path, work_dir: Path) -> Recipe:
    if name == 'digits':
        return _single(
            name, CLASSIFICATION, "ResNet-20 with SW on scikit-learn's digits", 'sw_resnet20_digits', work_dir
        )
    if name == 'style':
        return _single(name, STYLE, 'a style network with SW for drawn strokes', 'sw_style_streets', work_dir)
    args = argparse.Namespace(iterations=None, work_dir=work_dir)
    network = 'sw' if name == 'streets_sw' else 'bn'
    treatments = [SOURCE_ONLY] if name == 'streets_source' else [SOURCE_ONLY, SELF_TRAINING]
    runs = tuple(trainings.run_of(args, data, network, treatment, SEED) for treatment in treatments)
    summary = f"the demo's small network with {network.upper()}, " + (
        'self-trained on unlabelled target images' if len(runs) > 1 else 'trained on the source alone'
    )
    norm = None if network == 'bn' else network
    return Recipe(name, SEGMENTATION, summary, DEMO, norm, runs, trainings.lengths(args)[: len(runs)], STREETS)


def _photographs(broad: Path, work_dir: Path) -> Recipe:
    """The study's training on broad streets alone."""
    config, run = configured(PHOTOGRAPH_CELL, work_dir)
    options = {**run.options, **UNSEEN}
    if broad != BROAD / 'broad':
        options['train_dataloader.dataset.dataset.data_root'] = str(broad / 'gta5')
    summary = 'a small network with BN for photographs of streets, trained on broad drawn streets alone'
    name, runs, iterations = Path(run.config).stem, (replace(run, options=options),), (config.train_cfg.max_iters,)
    return Recipe('photographs', SEGMENTATION, summary, name, None, runs, iterations, PHOTOGRAPHS)


def _single(name: str, task: str, summary: str, config: str, work_dir: Path) -> Recipe:
    network = config.split('_')[0]
    run = Run(network, name, SEED, f'configs/{config}.py', {}, work_dir / 'runs' / f'{config}_seed{SEED}')
    return Recipe(name, task, summary, config, None, (run,), (ITERATIONS[config],))
