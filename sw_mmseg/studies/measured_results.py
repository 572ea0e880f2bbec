"""What a study that may be stopped at will has to show after it has measured what was missing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from sw_mmseg.running import training
from sw_mmseg.running.errors import UserError

__all__ = ['measured_results']

Result = TypeVar('Result')


def measured_results(
    measure: Callable[[], None] | None, stored: Callable[[], Sequence[Result]], folder: Path
) -> Sequence[Result] | None:
    """What is `stored` in `folder` after `measure`, which is None where nothing is to be measured; None where a signal
    stopped it, which is said.

    Raises:
        UserError: nothing is stored.
    """
    try:
        if measure is not None:
            measure()
    except (training.Interrupted, KeyboardInterrupt):
        print('\nStopped; the same command goes on from here.', file=sys.stderr)
        return None
    results = stored()
    if not results:
        raise UserError(f'no result in {folder} yet: leave out --report-only')
    return results
