"""A cell of the study on photographs, its result, and the config that it trains."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config

from sw_mmseg.running import schedules, scoring, training
from sw_mmseg.running.configs import check_options
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.methods import METHODS
from sw_mmseg.running.norms import set_norm
from sw_mmseg.running.paths import shipped_config
from sw_mmseg.studies.photographs.settings import SETTINGS, setting_of

__all__ = ['DATA', 'Cell', 'Result', 'configured']

DATA = ('streets2camvid', 'camvid_day2dusk')
PARTS = ('val', 'test')
DAY, DUSK = ['0006R0', '0016E5'], ['0001TP']
SCORED_AT_DUSK = {
    'val_dataloader.dataset.split': 'test',
    'val_dataloader.dataset.sequences': DUSK,
    'test_dataloader.dataset.sequences': DUSK,
}
LABELLED = 'train_dataloader.dataset.dataset'
BY_OPTIONS = {  # method at dusk -> options of its config for photographs, which has none of its own for dusk
    'jitter': {
        f'{LABELLED}.type': 'CamVidDataset',
        f'{LABELLED}.data_root': 'data/camvid',
        f'{LABELLED}.split': 'train',
        f'{LABELLED}.sequences': DAY,
        **SCORED_AT_DUSK,
    },
    'oracle': {f'{LABELLED}.sequences': DUSK, **SCORED_AT_DUSK},
}


@dataclass(frozen=True)
class Cell:
    """One training: the config bn_METHOD_DATA.py with a norm at its sites, a seed, and a setting of `SETTINGS`; or, at
    dusk, bn_METHOD_streets2camvid.py with `BY_OPTIONS`."""

    method: str
    norm: str
    seed: int
    data: str = DATA[0]
    setting: str = ''
    iterations: int | None = None  # None: the config's

    @property
    def name(self) -> str:
        """'bn_cbst_streets2camvid_weights_seed0'."""
        length = f'{self.iterations}iterations' if self.iterations else ''
        words = (self.norm, self.method, self.data, self.setting, length, f'seed{self.seed}')
        return '_'.join(word for word in words if word)


@dataclass
class Result:
    """One trained network, scored on photographs; IoU in percent, NaN for a class that is nowhere.

    `scores` has part of the data ('val', 'test') -> whose running statistics ('trained', 're-estimated' on unlabelled
    photographs) -> IoU of every class. `history` has the validation mIoU of each kept checkpoint before the last.
    `seconds` is the training's, `processor_seconds` what of it one core worked: other programs may run beside it.
    """

    method: str
    norm: str
    seed: int
    data: str
    setting: str
    iterations: int
    scores: dict[str, dict[str, list[float]]]
    history: list[dict[str, float]]
    classes: list[str]
    seconds: float
    processor_seconds: float
    command: str
    options: dict[str, object] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    device: str = ''

    def miou(self, part: str = 'test', statistics: str = 'trained') -> float:
        """Mean over the classes."""
        return scoring.miou(self.scores[part][statistics])


def configured(cell: Cell, work_dir: Path) -> tuple[Config, training.Run]:
    """The config of a cell for one core, and its run.

    Raises:
        UserError: no config of that method on that data, or no such setting.
    """
    at_dusk = cell.method in BY_OPTIONS and cell.data == DATA[1]
    file = shipped_config(f'bn_{cell.method}_{DATA[0] if at_dusk else cell.data}')
    if cell.method not in METHODS or not file.is_file():
        raise UserError(f'no config {file.name}: the study has bn_METHOD_DATA.py, DATA being {" or ".join(DATA)}')
    if cell.setting and cell.setting not in SETTINGS:
        raise UserError(f'no setting {cell.setting!r}: one of {", ".join(SETTINGS)}')
    config = set_norm(Config.fromfile(file), cell.norm)
    options = (BY_OPTIONS[cell.method] if at_dusk else {}) | chosen_options(cell, config)
    check_options(config, options)
    config.merge_from_dict(options)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False)  # a process of one thread
    config.train_cfg.val_interval = config.train_cfg.max_iters + 1  # scored once, by `measure`
    config.custom_hooks = [hook for hook in config.custom_hooks if hook.type != 'SamplePicturesHook']
    folder = work_dir / 'runs' / cell.name
    config.work_dir, config.randomness = str(folder), {'seed': cell.seed}
    return config, training.Run(
        cell.norm,
        cell.method,
        cell.seed,
        f'configs/{file.name}',
        options,
        folder,
        None if cell.norm == 'bn' else cell.norm,
    )


def chosen_options(cell: Cell, config: Config) -> dict[str, object]:
    """`--cfg-options` of a cell: its setting's, as this config has them, and its length's."""
    return setting_of(cell.setting).options(config) | schedules.schedule_options(config, cell.iterations)
