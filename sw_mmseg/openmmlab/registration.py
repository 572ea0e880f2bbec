"""Makes the changes of the table, and takes them back."""

from __future__ import annotations

import logging

from sw_mmseg.openmmlab.change import Change
from sw_mmseg.openmmlab.table import CHANGES

__all__ = ['register', 'registered', 'unregister']

_LOGGER = logging.getLogger(__name__)
_MADE: list[Change] = []


def register() -> None:
    """Makes every change that this installation needs and that is not made yet; each is logged at debug level."""
    for change in CHANGES:
        if change not in _MADE and change.needed():
            change.apply()
            _MADE.append(change)
            _LOGGER.debug(
                '%s (%s %s): %s, since %s', change.name, change.package, change.versions, change.effect, change.reason
            )


def unregister() -> None:
    """Takes the changes back, the last first. What was imported meanwhile keeps what it imported."""
    while _MADE:
        change = _MADE.pop()
        change.undo()
        _LOGGER.debug('%s: taken back', change.name)


def registered() -> tuple[Change, ...]:
    """The changes that are made now, in their order."""
    return tuple(_MADE)
