"""Workers of data loaders end with the process that started them.

torch's workers look for their parent while they wait for work, but not while they wait for room in a pipe that nobody
reads any more.
"""

from __future__ import annotations

from typing import Any

import mmengine.runner.runner as runners
from mmengine.dataset import worker_init_fn

from sw_mmseg.openmmlab.change import Change, Replacements
from sw_mmseg.processes import end_with_parent

__all__ = ['LOADER_WORKERS']

_ORIGINALS = Replacements()


def init_worker(worker_id: int, **options: Any) -> None:
    """In place of mmengine's `worker_init_fn`, which it calls; arguments are the same."""
    end_with_parent()
    worker_init_fn(worker_id, **options)


def _apply() -> None:
    if runners.default_worker_init_fn is not init_worker:
        _ORIGINALS.replace(runners, 'default_worker_init_fn', init_worker)


LOADER_WORKERS = Change(
    name='workers of data loaders',
    effect='the loaders that a runner builds have workers that end with their process',
    reason='workers of a process that was killed would stay, each with its memory',
    package='mmengine',
    versions='0.10',
    apply=_apply,
    undo=_ORIGINALS.restore,
)
