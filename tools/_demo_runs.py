"""The demo's runs: train a network, give it the target's statistics, test it. One finished row, one file.

A row's file is written last and carries a fingerprint of all it depends on (config, options, data, the package's
code), so that a second call skips what is done and never shows what has become out of date.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import _cli  # noqa: F401  first of all: it imports the plugin without its neighbours' warnings
import _records as records
import numpy as np
import torch
from _files import whole_file
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.model import is_model_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.structures import SegDataSample
from torch.utils.data import DataLoader

from sw_mmseg.adaptation import DisturbedSource, estimate_statistics, estimate_switches, running_layers
from sw_mmseg.engine import ClassIoUMetric, InterruptHook, ProgressHook, importance_ratios

TREATMENTS = ('source only', 'switches learnt again', 'target statistics', 'adversarial')
SOURCE_ONLY, SWITCHES, STATISTICS, ADVERSARIAL = TREATMENTS
DATA = 'data/streets/varied'  # the configs'


class Interrupted(Exception):
    """A training was stopped by a signal and has left a checkpoint."""


@dataclass(frozen=True)
class Run:
    """One training of the demo."""

    network: str  # 'sw': the config's first word
    treatment: str
    seed: int
    config: str
    options: dict
    folder: Path

    @property
    def label(self) -> str:
        """'SW adversarial'."""
        return f'{self.network.upper()} {self.treatment}'

    def command(self) -> str:
        """What trains the same from the command line."""
        return f'tools/train.py {self.config} --work-dir {self.folder} --seed {self.seed}{self.settings()}'

    def settings(self) -> str:
        """The options as words of a command line, a space before them; nothing where there are none."""
        return ' '.join([' --cfg-options', *(f'{k}={v}' for k, v in self.options.items())]) if self.options else ''


@dataclass
class Row:
    """What was measured of one network after one treatment; IoU in percent, classes in the config's order."""

    network: str
    treatment: str
    seed: int
    statistics: str
    target: list[float]
    source: list[float]
    seconds: float
    command: str
    ratios: dict[str, float] = field(default_factory=dict)


def schedule_options(config: Config, iterations: int | None) -> dict:
    """`--cfg-options` that shorten or lengthen a training: the loop, its validations and every schedule's end."""
    if iterations is None or iterations == config.train_cfg.max_iters:
        return {}
    old = config.train_cfg.max_iters
    options = {'train_cfg.max_iters': iterations, 'train_cfg.val_interval': iterations,
               'default_hooks.checkpoint.interval': max(1, iterations // 4),
               'default_hooks.logger.interval': max(1, min(config.default_hooks.logger.interval, iterations // 20))}
    players = config.param_scheduler
    lists = {f'param_scheduler.{k}': v for k, v in players.items()} if isinstance(players, dict) else {
        'param_scheduler': players}
    for prefix, schedules in lists.items():
        for index, schedule in enumerate(schedules):
            times = {k: max(1, round(schedule[k] * iterations / old)) for k in ('begin', 'end') if schedule.get(k)}
            if 'end' in times:
                times['end'] = max(times['end'], times.get('begin', 0) + 1)
            options |= {f'{prefix}.{index}.{key}': value for key, value in times.items()}
    return options


def data_options(node: dict, new: str, prefix: str) -> dict:
    """`--cfg-options` that point every `data_root` below `node` from the configs' streets to another folder."""
    options = {}
    for key, value in node.items():
        if isinstance(value, dict):
            options |= data_options(value, new, f'{prefix}.{key}')
        elif key == 'data_root' and value.startswith(DATA) and new != DATA:
            options[f'{prefix}.{key}'] = new + value[len(DATA):]
    return options


@contextlib.contextmanager
def quiet(file: Path):
    """What libraries print goes to a file; the progress line goes to standard error as before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    stream = file.open('a')  # not closed here: loggers made inside keep writing to it
    with contextlib.redirect_stdout(stream):
        yield
    stream.flush()


def train(run: Run, config: Config, mark: str, label: str) -> tuple[torch.nn.Module, float]:
    """Train, or go on from where an earlier call of the same run was stopped.

    Returns:
        The network and the seconds its training took, all calls together.

    Raises:
        Interrupted: a signal stopped it.
    """
    state = run.folder / 'demo_run.json'
    before = json.loads(state.read_text()) if state.is_file() else {}
    if before.get('fingerprint') != mark:
        shutil.rmtree(run.folder, ignore_errors=True)
        before = {'fingerprint': mark, 'seconds': 0.0}
        records.write_json(state, before)
    config = config.copy()
    config.resume = (run.folder / 'last_checkpoint').is_file()
    config.launcher, config.experiment_name = 'none', run.folder.name
    for loader in filter(None, (config.train_dataloader, config.get('val_dataloader'))):
        loader.persistent_workers = False
    with quiet(run.folder / 'console.log'):
        runner = Runner.from_cfg(config)
        runner.register_hook(ProgressHook(label))
        begin = time.monotonic()
        runner.train()
        seconds = before['seconds'] + time.monotonic() - begin
        # ends the loader's worker now; left to the garbage collector, it would be waited for until a timeout of 5 s
        del runner.train_loop.dataloader_iterator
    records.write_json(state, {'fingerprint': mark, 'seconds': seconds})
    if any(hook.signum for hook in runner.hooks if isinstance(hook, InterruptHook)):
        raise Interrupted
    return unwrap(runner.model), seconds


def unwrap(model: torch.nn.Module) -> torch.nn.Module:
    """The network inside a parallel wrapper, or itself."""
    return model.module if is_model_wrapper(model) else model


def build_loader(dataset: dict, batch_size: int, seed: int | None = None) -> DataLoader:
    """Loads in order, or shuffled by `seed`."""
    init_default_scope('mmseg')
    sampler = {'type': 'DefaultSampler', 'shuffle': seed is not None}
    return Runner.build_dataloader({'dataset': dataset, 'batch_size': batch_size, 'num_workers': 0, 'sampler': sampler,
                                    'collate_fn': {'type': 'pseudo_collate'}}, seed=seed)


def test_loaders(config: Config, source: Path | None) -> dict[str, DataLoader]:
    """Images that no training saw: of the target, and of the source where there is a folder of it, laid out as GTA5."""
    loaders = {'target': build_loader(config.test_dataloader.dataset, 4)}
    if source is not None:
        pipeline = config.test_dataloader.dataset.pipeline
        loaders['source'] = build_loader(dict(type='GTA5Dataset', data_root=str(source), pipeline=pipeline), 4)
    return loaders


@torch.no_grad()
def test(model: torch.nn.Module, loader: DataLoader, keep: Iterable[int] = (),
         visit: Callable[[SegDataSample], None] | None = None) -> tuple[list[float], list[np.ndarray]]:
    """IoU of every class in percent (NaN: absent), and the label maps (H×W uint8) predicted for the images `keep`;
    `visit` is shown every prediction."""
    wanted, kept, seen = set(keep), {}, 0
    metric = ClassIoUMetric()
    evaluator = Evaluator([metric])
    evaluator.dataset_meta = loader.dataset.metainfo
    model.eval()
    for batch in loader:
        outputs = model.test_step(batch)
        evaluator.process(data_samples=outputs, data_batch=batch)
        for index, output in enumerate(outputs, seen):
            if visit:
                visit(output)
            if index in wanted:
                kept[index] = output.pred_sem_seg.data.squeeze().cpu().numpy().astype(np.uint8)
        seen += len(outputs)
    evaluator.evaluate(seen)
    return list(metric.class_iou.values()), [kept[i] for i in keep]


def estimate(model: torch.nn.Module, loader: DataLoader, batches: int) -> tuple[int, float]:
    """Running statistics of `batches` target batches; returns how many layers have any, and the seconds it took."""
    begin = time.monotonic()
    layers = estimate_statistics(model, itertools.islice(loader, batches)) if running_layers(model) else 0
    return layers, time.monotonic() - begin


def learn_switches(model: torch.nn.Module, loader: DataLoader, batches: int) -> tuple[int, float]:
    """Switches learnt again on `batches` labelled batches in disturbed light and colours, nothing else moving; returns
    how many steps that were, none without switches, and the seconds it took."""
    begin = time.monotonic()
    losses = estimate_switches(model, itertools.islice(loader, batches), objective=DisturbedSource())
    return len(losses), time.monotonic() - begin


def switch_ratios(model: torch.nn.Module) -> dict[str, float]:
    """Importance ratios by 'layer/mean or cov/statistic'; empty for a network without switches."""
    return {name.removeprefix('ratios/').removeprefix('segmentor.'): value
            for name, value in importance_ratios(model).items()}


def miou(classes: list[float]) -> float:
    """Mean of the classes that occur, in percent."""
    return float(np.nanmean(classes))


def row_file(folder: Path, network: str, treatment: str, seed: int) -> Path:
    """Where a row is kept."""
    return folder / 'rows' / f'{network}_{treatment.replace(" ", "_")}_seed{seed}.json'


def read_row(file: Path, mark: str) -> tuple[Row, list[np.ndarray]] | None:
    """A finished row and its predictions, or `None` if it is missing or out of date."""
    content = records.read_result(file, mark)
    if content is None:
        return None
    with np.load(file.with_suffix('.npz')) as pictures:
        return Row(**content), [pictures[name] for name in sorted(pictures.files)]


def write_row(file: Path, mark: str, row: Row, pictures: list[np.ndarray]) -> None:
    """Predictions first, the row last: where the row is, all is."""
    with whole_file(file.with_suffix('.npz')) as part:
        np.savez_compressed(part, **{f'{index:03d}': picture for index, picture in enumerate(pictures)})
    records.write_result(file, mark, row)
