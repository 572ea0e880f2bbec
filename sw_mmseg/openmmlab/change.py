"""What a change to foreign code is: what, why, for which versions, how it is made, and how it is undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ['Change', 'Replacements']


def _nothing() -> None:
    """Nothing to do."""


def _always() -> bool:
    return True


@dataclass(frozen=True)
class Change:
    """One row of the table (`table.py`).

    Args:
        name: in the log and the tests.
        effect: what differs once it is made.
        reason: what goes wrong without it.
        package: the distribution whose code it is.
        versions: those it is for, in words.
        apply: makes it. The default does nothing: a private name is used, and no object of others is replaced.
        undo: takes it back, so that the objects it replaced are where they were.
        needed: whether this installation needs it now; it is asked before `apply`.
    """

    name: str
    effect: str
    reason: str
    package: str
    versions: str
    apply: Callable[[], None] = _nothing
    undo: Callable[[], None] = _nothing
    needed: Callable[[], bool] = _always


class Replacements:
    """Attributes of foreign modules and classes that were replaced, with what stood there before."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def replace(self, holder: Any, name: str, value: Any) -> None:
        """Sets an attribute that `holder` itself has. Raises KeyError where it has none of that name."""
        before = vars(holder)[name]  # a class method as such, not bound to its class
        setattr(holder, name, value)
        self._before.append((holder, name, before))

    def restore(self) -> None:
        """Puts back what stood there, the last first."""
        while self._before:
            holder, name, before = self._before.pop()
            setattr(holder, name, before)
