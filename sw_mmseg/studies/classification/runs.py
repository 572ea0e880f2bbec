"""Norms compared on small images: trained with a seed, scored, kept."""

from __future__ import annotations

import argparse
import gc
import time

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS

from sw_mmseg.analysis import error_rate, robustness
from sw_mmseg.running import records, training
from sw_mmseg.running.configs import load_config
from sw_mmseg.running.named_configs import find_named
from sw_mmseg.studies.classification.report import PAPER, Result

__all__ = ['NORMS', 'plan', 'work']

NORMS = ('bn', 'sn', 'bw', 'iw', 'sw', 'swb')
CODE = ((__name__, 'work'),)  # what results depend on, beside the config


def plan(args: argparse.Namespace) -> list[training.Run]:
    """All runs, seed by seed, so that an interrupted study has every norm.

    Raises:
        UserError: there is no config of a network and the data, or of a norm that was asked for.
    """
    runs = []
    for seed in args.seeds:
        for network in args.networks:
            for norm in args.norms or usual_norms(network, args.data):
                name = f'{norm}_{network}_{args.data}'
                named, folder = find_named(name), args.work_dir / 'runs' / f'{name}_seed{seed}'
                runs.append(training.Run(norm, network, seed, named.path, args.cfg_options, folder, named.norm))
    return runs


def usual_norms(network: str, data: str) -> list[str]:
    """Norms of a study that names none: the paper's, where it has the network and the data, or else all."""
    paper = PAPER.get((network, data), NORMS)
    return [norm for norm in NORMS if norm in paper]


def read_images(dataset: dict) -> tuple[np.ndarray, np.ndarray]:
    """Every image (N, H, W, 3) uint8 of a test set and its label (N,), as stored."""
    plain = DATASETS.build({**dataset, 'pipeline': []})
    samples = [plain[index] for index in range(len(plain))]
    return np.stack([sample['img'] for sample in samples]), np.array([sample['gt_label'] for sample in samples])


@torch.no_grad()
def predict(model: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    """Labels of a batch of images (N, H, W, 3) uint8."""
    model.eval()
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    batch = model.data_preprocessor({'inputs': inputs}, False)
    return model(batch['inputs'], mode='tensor').argmax(1).cpu().numpy()


def measure(model: torch.nn.Module, config: Config) -> dict:
    """Errors on the validation set, clean and changed, and on the test set where it is another one."""

    def classify(batch: np.ndarray) -> np.ndarray:
        return predict(model, batch)

    images, labels = read_images(config.val_dataloader.dataset)
    other = config.test_dataloader.dataset
    shifted = error_rate(classify, *read_images(other)) if other != config.val_dataloader.dataset else None
    return {
        'error': error_rate(classify, images, labels),
        'shifted': shifted,
        'changed': robustness(classify, images, labels),
    }


def work(run: training.Run, position: str, report_only: bool) -> Result | None:
    """A finished run's result: read, or trained and measured now."""
    config = load_config(run.config, run.options, str(run.folder), norm=run.norm)
    config.randomness.seed = run.seed
    mark, file = records.fingerprint(config, code=CODE), run.folder.with_suffix('.json')
    known = records.read_result(file, mark)
    if known is not None:
        return Result(**known)
    if report_only:
        return None
    label = f'{position} {run.folder.name.replace("_seed", " seed ")}'
    model, seconds = training.train(run, config, mark, label)
    begin = time.monotonic()
    result = Result(
        run.treatment,
        run.network,
        run.seed,
        **measure(model, config),
        seconds=seconds,
        command=run.command(),
        folder=str(run.folder),
    )
    records.write_result(file, mark, result)
    tested = time.monotonic() - begin
    print(f'{label}: error {result.error:.2f} %; training {seconds:.0f} s, tests {tested:.0f} s', flush=True)
    del model
    gc.collect()
    return result
