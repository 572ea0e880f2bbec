"""A user's photographs as the demo's second target: the first network on them, before and after it has trained itself
on them, beside the network for photographs that comes with the package. There are no labels, so there is no score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch.utils.data import DataLoader

from sw_mmseg.adaptation.target_labelling import spread
from sw_mmseg.datasets.errors import DatasetError
from sw_mmseg.datasets.image_file import read_image
from sw_mmseg.datasets.unlabelled import UnlabelledImages
from sw_mmseg.running import data_sets, training
from sw_mmseg.running.checkpoints import load_weights
from sw_mmseg.running.command_line import commands_of_here
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.training import Run
from sw_mmseg.studies.demo.ready import READY, for_photographs, photograph_pixels, predictions
from sw_mmseg.studies.demo.rows import SELF_TRAINING, SOURCE_ONLY, row_name
from sw_mmseg.studies.demo.samples import image_of
from sw_mmseg.studies.demo.study import Demo

__all__ = ['AFTER', 'BEFORE', 'looked_at', 'photograph_sheets']

BEFORE, AFTER = SOURCE_ONLY, 'self-training on your photographs'
MULTIPLE = 32  # of the sides: the network halves an image five times


def looked_at(folder: Path) -> UnlabelledImages:
    """The photographs of a folder. Raises UserError where there are none."""
    if not folder.is_dir():
        raise UserError(f'--photos {folder}: no such folder')
    try:
        return UnlabelledImages(str(folder.resolve()))
    except DatasetError as error:
        raise UserError(f'--photos {folder}: {error}') from error


def photograph_sheets(demo: Demo, photographs: UnlabelledImages) -> list[dict[str, np.ndarray]]:
    """Image, label maps before and after, and that of the package's network, one dict a photograph to show."""
    args = demo.args
    network, seed = args.rows[0], args.seeds[0]
    start = demo.run(network, SOURCE_ONLY, seed)
    run = photograph_run(demo, demo.run(network, SELF_TRAINING, seed), photographs)
    config = demo.config(run)
    paths = [Path(photographs.get_data_info(index)['img_path']) for index in range(len(photographs))]
    files = [(str(path), path.stat().st_size) for path in paths]
    mark = demo.mark(config, f'{demo.mark(demo.config(start))}{files}')
    begin = f'{run.label} on {len(photographs)} photographs of {args.photos}'
    print(f'{begin}\n    {commands_of_here(run.command())}', flush=True)
    after, _ = training.train(run, config, mark, f'    {run.label}')
    before = MODELS.build(demo.config(start).model)
    load_weights(before, start.folder / f'iter_{demo.config(start).train_cfg.max_iters}.pth')
    sheets = shown(config, {BEFORE: before, AFTER: after}, args.pictures)
    with training.quiet(run.folder / 'console.log'):
        return with_ready(sheets, [paths[place] for place in spread(len(paths), args.pictures)])


def with_ready(sheets: list[dict[str, np.ndarray]], files: list[Path]) -> list[dict[str, np.ndarray]]:
    """The sheets of these files with what the package's networks for photographs see, which is not trained further."""
    for model in for_photographs():
        for sheet, seen in zip(sheets, predictions(model.name, map(photograph_pixels, files))):
            height, width = sheet['photograph'].shape[:2]
            title = READY.format(model.name)
            sheet[title] = cv2.resize(seen, (width, height), interpolation=cv2.INTER_NEAREST)
    return sheets


def photograph_run(demo: Demo, run: Run, photographs: UnlabelledImages) -> Run:
    """Self-training with photographs in place of the drawn target, all brought to one size of a like area."""
    prefix = 'train_dataloader.dataset.target'
    size = size_like(read_image(photographs.get_data_info(0)['img_path']).pixels.shape[:2], demo.args.size)
    options = {key: value for key, value in run.options.items() if not key.startswith(prefix)}
    options[f'{prefix}.data_root'], options[f'{prefix}.img_dir'] = str(photographs.data_root), ''
    options[f'{prefix}.pipeline'] = [
        {'type': 'LoadImage'},
        {'type': 'Resize', 'scale': size, 'keep_ratio': False},
        {'type': 'PackSegInputs'},
    ]
    return replace(run, options=options, folder=run.folder.with_name(row_name(run.network, 'photographs', run.seed)))


def size_like(shape: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of about the area of `size` with the sides' ratio of an image of `shape` (height, width)."""
    ratio = shape[1] / shape[0]
    height = (size[0] * size[1] / ratio) ** 0.5
    width, height = (max(1, round(side / MULTIPLE)) * MULTIPLE for side in (height * ratio, height))
    return width, height


@torch.no_grad()
def shown(config: Config, networks: dict[str, torch.nn.Module], count: int) -> list[dict[str, np.ndarray]]:
    """Photographs, evenly spread, as they are trained on, and what each network makes of them."""
    loader: DataLoader = data_sets.build_loader(config.train_dataloader.dataset.target, 1)
    sheets = []
    for place in spread(len(loader.dataset), count):
        packed = loader.dataset[place]
        sample = packed['data_samples']
        sample.set_metainfo({'ori_shape': sample.img_shape})  # label maps of the size that is shown
        sheet = {'photograph': image_of(packed)}
        for name, model in networks.items():
            model.eval()
            batch = {'inputs': [packed['inputs']], 'data_samples': [sample]}
            sheet[name] = model.test_step(batch)[0].pred_sem_seg.data.squeeze(0).cpu().numpy().astype(np.uint8)
        sheets.append(sheet)
    return sheets
