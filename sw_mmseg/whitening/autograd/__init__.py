"""Equations 5 and 6 over a whole layer, with their gradient by hand.

Reading order: computation (forward and backward as functions), function (the autograd function around them, and which
way a call takes), whole (both in few kernels, on a GPU), memory (what evaluation need not compute anew), operators (the
same two functions where `torch.compile` must not look inside), synchronize (several processes), precision (full fp32
inside).
"""

from .computation import State, backward, forward
from .function import SwitchWhitenFunction, Whitened, switch_whiten, whiten
from .memory import Memory
from .precision import full_precision
from .synchronize import resolve_group
from .whole import Running, WholeFunction, backend_of, whiten_whole

__all__ = [
    'Memory',
    'Running',
    'State',
    'SwitchWhitenFunction',
    'Whitened',
    'WholeFunction',
    'backend_of',
    'backward',
    'forward',
    'full_precision',
    'resolve_group',
    'switch_whiten',
    'whiten',
    'whiten_whole',
]
