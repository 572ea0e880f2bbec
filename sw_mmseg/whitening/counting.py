"""The multiply-adds of the layer in counters that know operations of torch and look each up in a table.

Traced, the layer is plain operations of torch. mmengine's and fvcore's counters know its products but not those that
also add, `baddbmm`: without the rule here the application of the whitening matrices and a third of Newton's iteration
would be missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

__all__ = ['RULES']


def _baddbmm(inputs: list[Any], _outputs: list[Any]) -> int:
    """Of input + first @ second, (B, n, m) and (B, m, p), as nodes of a trace."""
    first, second = (value.type().sizes() for value in inputs[1:3])
    return math.prod(first) * second[-1]


RULES: dict[str, Callable[[list[Any], list[Any]], int]] = {'aten::baddbmm': _baddbmm}
