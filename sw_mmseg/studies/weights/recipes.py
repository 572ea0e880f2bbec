"""Which networks come with the package, and the trainings that make each: those of the demo, and two small ones."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from sw_mmseg.running.errors import UserError
from sw_mmseg.running.ready_weights import CLASSIFICATION, SEGMENTATION, STYLE
from sw_mmseg.running.training import Run
from sw_mmseg.studies.demo import trainings
from sw_mmseg.studies.demo.rows import SELF_TRAINING, SOURCE_ONLY

__all__ = ['NAMES', 'Recipe', 'recipes']

SEED = 0
STREETS = 'bn_jitter_streets2cameras'  # builds the network of the demo, whichever method trained it
ITERATIONS = {'sw_resnet20_digits': 240, 'sw_style_streets': 240}
NAMES = ('streets', 'streets_sw', 'streets_source', 'digits', 'style')


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

    @property
    def checkpoint(self) -> Path:
        """Where the last training leaves it."""
        return self.runs[-1].folder / f'iter_{self.iterations[-1]}.pth'


def recipes(names: list[str], data: Path, work_dir: Path) -> list[Recipe]:
    """Those of the names given.

    Args:
        data: the drawn streets, a folder with gta5/ and cityscapes/.
        work_dir: where trainings are, or will be; that of the demo has the same ones.

    Raises:
        UserError: no such name.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise UserError(f'no weights {", ".join(unknown)}: one of {", ".join(NAMES)}')
    return [_recipe(name, data, work_dir) for name in names]


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
    return Recipe(name, SEGMENTATION, summary, STREETS, norm, runs, trainings.lengths(args)[: len(runs)])


def _single(name: str, task: str, summary: str, config: str, work_dir: Path) -> Recipe:
    network = config.split('_')[0]
    run = Run(network, name, SEED, f'configs/{config}.py', {}, work_dir / 'runs' / f'{config}_seed{SEED}')
    return Recipe(name, task, summary, config, None, (run,), (ITERATIONS[config],))
