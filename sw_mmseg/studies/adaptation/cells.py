"""A cell of the adaptation study, its result, and the config that it trains."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from mmengine.config import Config

from sw_mmseg.running import schedules, scoring, training
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.methods import METHODS
from sw_mmseg.running.named_configs import with_network, with_norm
from sw_mmseg.running.networks import name_with_network
from sw_mmseg.running.paths import shipped_config
from sw_mmseg.studies.adaptation.variations import VARIATIONS

__all__ = ['KEPT', 'SOURCE', 'Cell', 'Result', 'configured', 'methods_of', 'options_of', 'own_length']


SOURCE = 'varied'  # whose source pictures serve every target


KEPT = 4  # checkpoints scored, the last among them


@dataclass(frozen=True)
class Cell:
    """What is trained; `target` is a variant of streets, or '' of a real data set; no `iterations` or `network`: the
    config's."""

    method: str
    norm: str
    seed: int
    target: str = 'varied'
    variation: str = ''
    data: str = 'streets'
    iterations: int | None = None
    network: str | None = None

    @property
    def name(self) -> str:
        """'sw_adaptsegnet_streets_varied_seed0'; a length of its own stands before the seed."""
        length = f'{self.iterations}iterations' if self.iterations else ''
        config = f'{self.norm}_{self.method}_{self.data}'
        config = name_with_network(config, self.network) if self.network else config
        parts = (config, self.target, self.variation, length, f'seed{self.seed}')
        return '_'.join(part for part in parts if part)

    def trained_as(self, config: Config) -> str:
        """The run's name: methods without target images are trained once for all targets."""
        return self.name if 'target' in config.train_dataloader.dataset else replace(self, target='').name


@dataclass
class Result:
    """Scores of a cell; IoU in percent by class. `scores`: policy -> domain -> IoU of the last iteration, best policy
    unchosen. `history`: of every kept checkpoint, iteration, mIoU of both domains and label-free scores, under `kept`,
    the policy that needs no second pass. `distances`: convolution -> MMD² between the domains, under it too."""

    method: str
    norm: str
    seed: int
    target: str
    variation: str
    iterations: int
    scores: dict[str, dict[str, list[float]]]
    kept: str
    history: list[dict]
    classes: list[str]
    seconds: float
    memory: float
    command: str
    ratios: dict[str, float] = field(default_factory=dict)
    distances: dict[str, float] = field(default_factory=dict)
    device: str = ''
    network: str | None = None  # in place of the configs'

    def miou(self, policy: str, domain: str = 'target') -> float:
        """Mean over the classes that occur, in percent."""
        return scoring.miou(self.scores[policy][domain])


def configured(cell: Cell, work_dir: Path, data: Path) -> tuple[Config, training.Run]:
    """The cell's config, and the run that says the same on a command line.

    Raises:
        UserError: there is no config of that method and data, or it takes no such network.
    """
    name = f'bn_{cell.method}_{cell.data}'
    file = shipped_config(name)
    if cell.method not in METHODS or not file.is_file():
        raise UserError(f'no config {file.name}; methods with one: {", ".join(methods_of(cell.data))}')
    norm = None if cell.norm == 'bn' else cell.norm
    config = Config.fromfile(file)
    config = config if cell.network is None else with_network(config, cell.network)
    config = config if norm is None else with_norm(config, norm)
    options = options_of(cell, config, data)
    config.merge_from_dict(options)
    config.default_hooks.checkpoint.max_keep_ckpts = KEPT
    config.work_dir, config.randomness = str(work_dir / 'runs' / cell.trained_as(config)), {'seed': cell.seed}
    config.train_cfg.val_interval = config.train_cfg.max_iters + 1  # scored once, below
    run = training.Run(
        cell.norm, cell.method, cell.seed, f'configs/{name}.py', options, Path(config.work_dir), norm, cell.network
    )
    return config, run


def own_length(method: str, data: str, iterations: int | None) -> int | None:
    """The iterations asked for, or `None` where they are the config's."""
    file = shipped_config(f'bn_{method}_{data}')
    usual = iterations and file.is_file() and Config.fromfile(file).train_cfg.max_iters
    return None if iterations == usual else iterations


def methods_of(data: str) -> list[str]:
    """Methods that have a config on a data set."""
    return [method for method in METHODS if shipped_config(f'bn_{method}_{data}').is_file()]


def options_of(cell: Cell, config: Config, data: Path) -> dict:
    """`--cfg-options` that make a cell of its method's config, beside its norm."""
    options = schedules.schedule_options(config, cell.iterations)
    if cell.iterations and 'compare' in config.model:  # of ISW, in shares of the schedule
        options |= {'model.warmup': max(2, cell.iterations // 4), 'model.compare': max(1, cell.iterations // 8)}
    if 'statistics_from' in config.model:
        options['model.statistics_from'] = 'separate'
    if cell.data == 'streets':  # source pictures are the same in every variant
        options |= schedules.data_options(config.train_dataloader, str(data / SOURCE), 'train_dataloader')
        for part in ('train_dataloader.dataset.target', 'val_dataloader', 'test_dataloader'):
            options |= schedules.data_options(_at(config, part), str(data / cell.target), part)
    players = 'optim_wrapper.segmentor' if 'segmentor' in config.optim_wrapper else 'optim_wrapper'
    places = {'batch_size': 'train_dataloader.batch_size', 'statistics_from': 'model.statistics_from'}
    for key, value in VARIATIONS.get(cell.variation, {}).items():
        if key == 'statistics_from' and key not in config.model:
            raise UserError(f'--variations {cell.variation} needs target images in training; {cell.method} has none')
        options[places.get(key, f'{players}.paramwise_cfg.custom_keys.{key}')] = value
    return options


def _at(config: Config, path: str) -> dict:
    """What stands at a dotted path; {} where nothing does."""
    for key in path.split('.'):
        config = config.get(key, {})
    return config
