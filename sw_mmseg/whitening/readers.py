"""Which layers of a network read alone what the module before them puts out, found by `torch.fx`."""

import logging

from torch import fx, nn

__all__ = ['sole_readers']

_LOGGER = logging.getLogger(__name__)


class _Tracer(fx.Tracer):
    """Does not look into layers of some classes."""

    def __init__(self, leaves: tuple[type[nn.Module], ...]) -> None:
        super().__init__()
        self._leaves = leaves

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, self._leaves) or super().is_leaf_module(module, qualified_name)


def sole_readers(model: nn.Module, leaves: tuple[type[nn.Module], ...]) -> dict[str, str]:
    """Name of a module -> name of the module whose output it alone reads, both of them called once.

    Empty where `torch.fx` cannot trace the model. Modules of the classes in `leaves` are not looked into.
    """
    try:
        nodes = list(_Tracer(leaves).trace(model).nodes)
    except Exception as error:  # whatever a model's code does with a stand-in for a tensor
        _LOGGER.info('%s cannot be traced (%s): no layer joins a convolution', type(model).__name__, error)
        return {}
    calls = [node.target for node in nodes if node.op == 'call_module']
    shared = {node.target.rpartition('.')[0] for node in nodes if node.op == 'get_attr'}  # parameters read directly
    pairs: dict[str, str] = {}
    for node in nodes:
        before = node.args[0] if node.args else None
        if node.op != 'call_module' or not isinstance(before, fx.Node) or before.op != 'call_module':
            continue
        names = node.target, before.target
        if len(before.users) == 1 and all(calls.count(name) == 1 for name in names) and shared.isdisjoint(names):
            pairs[str(node.target)] = str(before.target)
    return pairs
