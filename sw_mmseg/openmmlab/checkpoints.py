"""Checkpoints are data: reading one runs nothing that stands in it, and a damaged one is named as such.

A checkpoint of mmengine is a zip archive of tensors and a pickle, which may name any function to be called. Here it is
read with torch's `weights_only`, which refuses that, and a list of what mmengine itself writes beside plain data: its
log buffers, with numbers of numpy in them. What holds more is refused, unless its writer is trusted (`trusting`). torch
does not look at the archive's checksums, so that a flipped bit would be a wrong weight: they are checked first.
"""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_from_local

from sw_mmseg.files import DamagedFileError, is_whole_archive
from sw_mmseg.openmmlab.change import Change

__all__ = ['CHECKPOINTS_ARE_DATA', 'CheckpointError', 'load_local_checkpoint', 'trusting']

STATISTICS = ('current', 'max', 'mean', 'min')  # of a log buffer, which its pickle names by getattr
NUMBERS = tuple({type(np.dtype(kind)) for kind in '?bhilqBHILQefdUSO'})
_TRUSTED: ContextVar[bool] = ContextVar('trusted', default=False)


class CheckpointError(Exception):
    """A file that cannot be taken for a checkpoint; the text names it and says why."""


def _statistic(buffer: type, name: str) -> Any:
    """In place of `getattr`, for what a log buffer asks of it."""
    if buffer is not HistoryBuffer or name not in STATISTICS:
        raise pickle.UnpicklingError(f'it asks for {name} of {buffer}')
    return getattr(buffer, name)


def _writes() -> list:
    """What mmengine writes into its checkpoints beside plain data, by the names that pickles know it under."""
    multiarray = [np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]]  # wherever numpy keeps them
    named = [
        (thing, f'{module}.{thing.__name__}')
        for thing in multiarray
        for module in ('numpy.core.multiarray', 'numpy._core.multiarray')
    ]
    return [*named, np.ndarray, np.dtype, *NUMBERS, HistoryBuffer, (_statistic, 'builtins.getattr')]


@contextlib.contextmanager
def trusting(trusted: bool = True) -> Iterator[None]:
    """Checkpoints are read as Python pickles meanwhile, which run what they name."""
    before = _TRUSTED.set(trusted)
    try:
        yield
    finally:
        _TRUSTED.reset(before)


def load_local_checkpoint(filename: str, map_location: str | torch.device | None = None) -> dict:
    """What a file holds, its checksums verified, nothing in it run.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is empty, cut short, damaged, of another kind, or holds more than data.
    """
    filename = os.path.expanduser(filename)
    if not os.path.isfile(filename):
        raise FileNotFoundError(f'{filename} can not be found.')
    try:
        archive = is_whole_archive(filename)
    except DamagedFileError as error:
        raise CheckpointError(str(error)) from error
    trusted = _TRUSTED.get()
    try:
        with torch.serialization.safe_globals(_writes()):
            return torch.load(filename, map_location=map_location, weights_only=not trusted)
    except pickle.UnpicklingError as error:
        if not archive and 'GLOBAL' not in str(error):
            raise CheckpointError(f'{filename} is no checkpoint that torch wrote, or not a whole one') from error
        raise CheckpointError(
            f'{filename} is no checkpoint that can be read as data: {_reason(error)}. If you trust '
            'whoever wrote it, --trust-checkpoint reads it, and runs what stands in it'
        ) from error
    except Exception as error:  # torch raises almost anything on a damaged file
        if isinstance(error, (OSError, MemoryError)):  # of the disk and the machine, not of the file
            raise
        text = f': {str(error).splitlines()[0]}' if archive and str(error) else ''
        raise CheckpointError(f'{filename} is no checkpoint that torch wrote, or not a whole one{text}') from error


def _reason(error: Exception) -> str:
    """The first sentence of torch's error that says something, without its advice."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = next((line for line in lines if 'GLOBAL' in line or 'it asks' in line), lines[-1] if lines else '')
    text = named.split('. Please use')[0].split(' was not an allowed')[0]
    return text.replace('WeightsUnpickler error: ', '').rstrip('.')


def _use(loader: Any) -> None:
    CheckpointLoader.register_scheme('', loader, force=True)


CHECKPOINTS_ARE_DATA = Change(
    name='checkpoints are data',
    effect="mmengine's loader of local files verifies checksums, and runs nothing that stands in a checkpoint",
    reason='it reads pickles, which may call anything, and takes a file with flipped bits for a checkpoint',
    package='mmengine',
    versions='0.10',
    apply=lambda: _use(load_local_checkpoint),
    undo=lambda: _use(load_from_local),
)
