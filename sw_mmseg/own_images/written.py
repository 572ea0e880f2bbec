"""The files that adapt leaves of a network: predictions, and the checkpoint."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config
from torch import nn
from tqdm import tqdm

from sw_mmseg.files import whole_file, write_encoded
from sw_mmseg.own_images.folders import spread
from sw_mmseg.own_images.training import Examiner
from sw_mmseg.running.outputs import RECORD, Outputs, moved_aside
from sw_mmseg.running.prediction import files_of, segment_pixels, write

__all__ = ['write_checkpoint', 'write_predictions']

NETWORK = '.network'  # beside predictions: which network they are of


def write_predictions(model: nn.Module, examiner: Examiner, out: Path, count: int | None) -> None:
    """Label maps and overlays of target images in `out`, all there at once; says of how many images.

    What an interrupt leaves is kept beside `out`, and the next call of the same network goes on from it. Predictions
    of an earlier call are replaced; where a user has put files among them, changed some, or put a link in their place,
    they are moved aside, which is said. A `count` of 0 leaves all as it is.
    """
    if count == 0:
        return
    target, palette = examiner.checked.target, examiner.checked.table.palette
    chosen = spread(list(zip(target.names, target.paths)), len(target.names) if count is None else count)
    outputs = Outputs(out.with_name(f'.{out.name}.part'), 'adapt', overwrite=True)
    mark, network = outputs.folder / NETWORK, digest(model)
    if not mark.is_file() or mark.read_text() != network:
        shutil.rmtree(outputs.folder, ignore_errors=True)
        outputs.write(NETWORK, network)
    model.eval()
    for name, path in tqdm(chosen, desc='predictions', unit='', leave=False, disable=None):
        if not (outputs.folder / files_of(name)[-1]).is_file():
            image = examiner.read(Path(path))
            write(segment_pixels(model, examiner.pixel_pipeline, image), image, outputs, name, palette, 0.55)
    if out.is_symlink() or users_files(out):
        print(f'{out} has files that were changed or are of others: it is {moved_aside(out)} now', flush=True)
    shutil.rmtree(out, ignore_errors=True)
    os.replace(outputs.folder, out)
    print(f'{len(chosen)} predictions in {out}', flush=True)


def users_files(out: Path) -> list[Path]:
    """What lies in a folder of predictions and was not written by `write_predictions`, or has changed since."""
    files = (file.relative_to(out).as_posix() for file in sorted(out.rglob('*')) if not file.is_dir())
    return Outputs(out, 'adapt').foreign(name for name in files if name not in (NETWORK, RECORD))


def digest(model: nn.Module) -> str:
    """Changes with any weight or buffer."""
    checksum = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        checksum.update(key.encode() + value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return checksum.hexdigest()


def write_checkpoint(model: nn.Module, config: Config, file: Path, names: Sequence[str]) -> None:
    """The network alone, without optimisers, whole or not at all."""
    state = {key: value.cpu() for key, value in model.state_dict().items()}
    meta = {'cfg': config.pretty_text, 'dataset_meta': {'classes': list(names)}}
    with whole_file(file) as part:
        write_encoded(part, partial(torch.save, {'state_dict': state, 'meta': meta}))
