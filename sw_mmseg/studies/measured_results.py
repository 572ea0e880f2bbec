"""What a study that may be stopped at will has to show after it has measured what was missing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from sw_mmseg.running import records
from sw_mmseg.running.errors import UserError

__all__ = ['measured_results', 'say_unchecked']

Result = TypeVar('Result')


def measured_results(
    measure: Callable[[], None] | None, planned: Collection[str], stored: Callable[[], Sequence[Result]], folder: Path
) -> Sequence[Result]:
    """What is `stored` in `folder` after `measure`, which is None where nothing is to be measured. Results but for the
    `planned` ones, which `measure` has looked at, are said.

    Raises:
        UserError: nothing is stored.
    """
    if measure is not None:
        measure()
    results = stored()
    if not results:
        raise UserError(f'no result in {folder} yet: leave out --report-only')
    say_unchecked(list(records.every_result(folder)), [] if measure is None else planned)
    return results


def say_unchecked(shown: Collection[str], checked: Collection[str]) -> None:
    """A line on results in a report that were not compared, by their fingerprints, with the code and settings of now:
    all that are `shown` but `checked`, which a call has measured or found true."""
    unchecked = [name for name in shown if name not in checked]
    if unchecked:
        print(
            f'{len(unchecked)} of {len(shown)} results shown are of earlier calls, and were not compared with the code '
            f'and settings of now: {", ".join(unchecked[:3])}{", ..." if len(unchecked) > 3 else ""}',
            flush=True,
        )
