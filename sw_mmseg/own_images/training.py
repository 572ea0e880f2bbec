"""The trainings of tools/adapt.py, and what their networks say: how long an iteration takes, scores, predictions."""

from __future__ import annotations

import copy
import itertools
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from sw_mmseg.adaptation import DisturbedSource, estimate_switches
from sw_mmseg.adaptation.estimate_switches import switch_logits
from sw_mmseg.own_images.config import source_of, test_loader
from sw_mmseg.own_images.folders import Checked, labelled_picture, picture, spread
from sw_mmseg.own_images.plan import Choice, smaller
from sw_mmseg.running.configs import build
from sw_mmseg.running.data_sets import build_loader, labelled_images, unlabelled_images
from sw_mmseg.running.prediction import build_pipeline, build_reader, segment
from sw_mmseg.running.scoring import estimate, switch_ratios, test
from sw_mmseg.running.training import quiet

__all__ = [
    'SWITCH_STEPS',
    'Examiner',
    'Outcome',
    'Stopwatch',
    'fit',
    'learn_switches_again',
    'put_switches',
    'seconds_an_iteration',
    'seconds_of_rounds',
]

PATIENCE = 15.0  # seconds of timing, at most
WARM_UP, TIMED = 3, 40  # iterations that do not count, and that do
SHARES_OF = 50  # target images whose predicted classes are counted
STATISTICS_OF = 200  # target images that running statistics are estimated on
SWITCH_STEPS = 50  # batches of source images that switches are learnt again on, at most


class Stopwatch(Hook):
    """Seconds from the end of one iteration to the end of the next; stops the training when it knows enough."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Notes the time, and stops the training once enough is known."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.times.append(time.monotonic())
        if len(self.times) > WARM_UP + 1 and self.times[-1] - self.times[0] > PATIENCE:
            runner.train_loop.stop_training = True

    @property
    def seconds(self) -> float:
        """Of an iteration, the first ones left out."""
        times = self.times[min(WARM_UP, len(self.times) - 2) :]
        return (times[-1] - times[0]) / (len(times) - 1)


def seconds_an_iteration(config: Config) -> float:
    """Measured on the first iterations of a training that leaves nothing behind."""
    config, watch = copy.deepcopy(config), Stopwatch()
    config.default_hooks = {'checkpoint': None, 'logger': config.default_hooks.logger}  # Ctrl-C ends it at once
    config.custom_hooks, config.visualizer.vis_backends = [], []
    config.train_cfg.max_iters = WARM_UP + TIMED
    config.train_dataloader.persistent_workers = False
    with tempfile.TemporaryDirectory() as folder:
        config.work_dir, config.experiment_name = folder, Path(folder).name
        with quiet(Path(folder) / 'console.log'):
            runner = build('model', lambda: Runner.from_cfg(config))
            runner.register_hook(watch)
            runner.train()
            del runner.train_loop.dataloader_iterator
    return watch.seconds


def seconds_of_rounds(config: Config, seconds: float, images: int) -> tuple[float, float]:
    """What a method costs of which the first iterations were timed: seconds of an iteration, mean over the training,
    and seconds beside the iterations.

    A method that trains in rounds is timed before the first one. In a round an iteration takes target images too, and
    before each the network looks at every target image and at its mirror, a third of the work of training on them.

    Args:
        config: of the training.
        seconds: of an iteration without target images.
        images: of the target.
    """
    model = config.model
    if 'round_length' not in model:
        return seconds, 0.0
    in_rounds = 1 - model.warmup / config.train_cfg.max_iters
    labelling = 2 / 3 * len(model.shares) * images * seconds / config.train_dataloader.batch_size
    return seconds * (1 + in_rounds), labelling


def fit(choice: Choice, measure: Callable[[Choice], float]) -> tuple[Choice, float]:
    """The choice, or the largest smaller one whose training fits into the GPU's memory, and its seconds."""
    while True:
        try:
            return choice, measure(choice)
        except torch.cuda.OutOfMemoryError:
            choice = smaller(choice)
        torch.cuda.empty_cache()  # not before the exception, and all that it holds, is gone


def learn_switches_again(model: nn.Module, config: Config) -> list[torch.Tensor]:
    """Switches by the network's own loss on source images in disturbed light and colours, where running statistics do
    not describe the picture (`DisturbedSource`): docs/adaptation.md has what it gains. No target image is read.

    Returns:
        The logits as they were trained, for `put_switches`; empty where nothing switches.
    """
    trained = [logits.detach().clone() for logits in switch_logits(model)]
    images = build_loader(labelled_images(config), config.train_dataloader.batch_size, seed=0)
    with quiet(Path(config.work_dir) / 'console.log'):
        moved = estimate_switches(model, itertools.islice(images, SWITCH_STEPS), objective=DisturbedSource())
    return trained if moved else []


@torch.no_grad()
def put_switches(model: nn.Module, trained: list[torch.Tensor]) -> None:
    """Gives switches the logits that `learn_switches_again` returned."""
    for logits, value in zip(switch_logits(model), trained):
        logits.copy_(value)


@dataclass
class Outcome:
    """A network after a treatment. IoU in percent by class, `None` where there are no labels to score with."""

    name: str
    statistics: str  # whose running statistics it predicts with
    source: list[float] | None
    target: list[float] | None
    shares: list[float]  # of the target's pixels, predicted, by class
    maps: list[np.ndarray]  # predictions for the images that the report shows
    ratios: dict[str, float] = field(default_factory=dict)


class Examiner:
    """Asks networks: predictions of target images, and scores where labels allow. It reads no other target label."""

    def __init__(self, config: Config, choice: Choice, checked: Checked, pictures: int) -> None:
        self.config, self.choice, self.checked = config, choice, checked
        steps = config.test_dataloader.dataset.pipeline
        self.pipeline, self.read = build_pipeline(steps), build_reader(steps)
        self.pixel_pipeline = build_pipeline(steps, from_file=False)
        shown = checked.target_val or checked.target
        self.shown = spread(list(zip(shown.paths, shown.label_paths)), pictures)
        self.shown_pipeline = build_pipeline(test_loader(choice, checked, shown, scored=True).dataset.pipeline)
        self.counted = spread(checked.target.paths, SHARES_OF)

    def outcome(self, name: str, model: nn.Module, statistics: str) -> Outcome:
        """What there is to know of a network."""
        model.eval()
        source, target = (self.iou(model, folder) for folder in ('source', 'target-val'))
        counts = np.zeros(256)
        for path in tqdm(self.counted, desc=f'    {name}', unit='', leave=False, disable=None):
            counts += np.bincount(segment(model, self.pipeline, Path(path)).ravel(), minlength=256)
        maps = [segment(model, self.shown_pipeline, Path(path)) for path, _ in self.shown]
        shares = (100 * counts / counts.sum())[: len(self.checked.table.classes)].tolist()
        return Outcome(name, statistics, source, target, shares, maps, switch_ratios(model))

    def iou(self, model: nn.Module, domain: str) -> list[float] | None:
        """On the source images that no training saw, or on the target images whose labels were given for this."""
        if (self.checked.target_val if domain == 'target-val' else self.checked.source) is None:
            return None
        folders = [self.checked.target_val] if domain == 'target-val' else self.checked.sources
        sets = [test_loader(self.choice, self.checked, folder, scored=True).dataset for folder in folders]
        sets = [dataset for dataset in sets if domain == 'target-val' or dataset.get('held_out')]
        if not sets:
            return None
        dataset = sets[0] if len(sets) == 1 else {'type': 'LabelledSets', 'datasets': sets}
        with quiet(Path(self.config.work_dir) / 'console.log'):
            return test(model, build_loader(dataset, 1))[0]

    def estimate(self, model: nn.Module) -> int:
        """Gives the network running statistics of the target; returns how many layers have any."""
        loader, batches = self.target_batches(STATISTICS_OF)
        return estimate(model, loader, batches)[0]

    def choose_switches(self, model: nn.Module) -> int:
        """Switches by the target's images, without labels: see `certainty_and_diversity`; returns the steps taken."""
        loader, batches = self.target_batches(SWITCH_STEPS)
        return len(estimate_switches(model, itertools.islice(loader, batches)))

    def target_batches(self, images: int) -> tuple[DataLoader, int]:
        """Target images as the network is tested on them, and how many batches hold so many of them at most."""
        target = self.checked.target
        dataset = unlabelled_images(self.config, target.images)
        dataset |= {k: v for k, v in source_of(target, self.checked).items() if k == 'leave_out'}
        batch = min(4, len(target.names)) if len(target.scan.sizes) == 1 else 1
        return build_loader(dataset, batch, seed=0), -(-min(images, len(target.names)) // batch)

    def pictures(self) -> list[dict[str, np.ndarray]]:
        """Image and, with target-val, truth of what the report shows."""
        checked = self.checked
        labelled = {
            path: labelled_picture(checked.target_val, checked.table, path, label)
            for path, label in self.shown
            if label
        }
        return [
            dict(zip(('image', 'truth'), labelled[path])) if label else {'image': picture(path, checked.target)}
            for path, label in self.shown
        ]
