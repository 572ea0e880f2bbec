"""mmengine's counter of multiply-adds, `get_model_complexity_info`, counts all products of SW.

It counts the operations of a trace that its table knows, and says nothing of the rest but a warning.
"""

from __future__ import annotations

from typing import Any

from sw_mmseg.openmmlab.change import Change
from sw_mmseg.whitening.counting import RULES

__all__ = ['FLOP_COUNTER']

_ADDED: list[str] = []


def _table() -> dict[str, Any]:
    from mmengine.analysis.complexity_analysis import _DEFAULT_SUPPORTED_FLOP_OPS

    return _DEFAULT_SUPPORTED_FLOP_OPS


def add_rules() -> None:
    """Adds the rules that mmengine's table lacks."""
    table = _table()
    _ADDED[:] = [name for name in RULES if name not in table]
    table.update({name: RULES[name] for name in _ADDED})


def remove_rules() -> None:
    """Removes what was added."""
    table = _table()
    while _ADDED:
        table.pop(_ADDED.pop(), None)


FLOP_COUNTER = Change(
    name="mmengine's counter of multiply-adds",
    effect='the table of mmengine.analysis has a rule for aten::baddbmm',
    reason="it leaves out products that also add: the application of SW's matrices and a third of Newton's iteration",
    package='mmengine',
    versions='0.10',
    apply=add_rules,
    undo=remove_rules,
)
