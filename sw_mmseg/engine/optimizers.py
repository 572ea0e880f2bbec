"""One optimiser a player: `optim_wrapper` of a config with a section for each part of an adaptation model.

    optim_wrapper = dict(
        constructor='DomainOptimWrapperConstructor',
        segmentor=dict(optimizer=dict(type='SGD', ...), paramwise_cfg=dict(...), clip_grad=dict(...)),
        discriminator=dict(optimizer=dict(type='Adam', ...)))

A section has the name of a child of the model and all that mmengine knows of a single optimiser wrapper. What stands
beside the sections, such as `type='AmpOptimWrapper'`, holds for each section that does not say otherwise.
"""

import copy
from collections import Counter

from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from sw_mmseg.models.wrappers import unwrap

__all__ = ['DomainOptimWrapperConstructor', 'DomainOptimWrappers', 'check_coverage']


class DomainOptimWrappers(OptimWrapperDict):
    """mmengine's dictionary of wrappers; unlike it, tells each how far a resumed run is and where it ends, so that
    gradient accumulation neither shifts nor loses the last iterations."""

    def initialize_count_status(self, model: nn.Module, cur_iter: int, max_iters: int) -> None:
        """Every player's count of iterations."""
        for wrapper in self.values():
            wrapper.initialize_count_status(model, cur_iter, max_iters)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class DomainOptimWrapperConstructor:
    """Builds the wrappers over disjoint parameters that together are all trainable ones.

    Args:
        optim_wrapper_cfg: sections and shared settings, see above.
        paramwise_cfg: refused here: its keys mean a section's parameters, so it belongs into a section.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        if paramwise_cfg is not None:
            raise ValueError('put paramwise_cfg into the section it is for, e.g. optim_wrapper.segmentor.paramwise_cfg')
        self.sections = {
            name: value for name, value in optim_wrapper_cfg.items() if isinstance(value, dict) and 'optimizer' in value
        }
        self.shared = {name: value for name, value in optim_wrapper_cfg.items() if name not in self.sections}
        if not self.sections:
            raise ValueError(
                f'optim_wrapper has no section with an optimizer, only {list(optim_wrapper_cfg)}; it '
                'needs one named for each trained part of the model, e.g. segmentor and discriminator'
            )

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
        """One optimiser for each section, over the child of `model` that it names.

        Raises:
            ValueError: a section names no child of `model`; a trainable parameter is in no optimiser or in two.
        """
        model = unwrap(model)
        children = dict(model.named_children())
        unknown = [name for name in self.sections if name not in children]
        if unknown:
            raise ValueError(
                f'optim_wrapper sections {unknown} are not parts of {type(model).__name__}, which has {list(children)}'
            )
        wrappers = {name: self._build(children[name], section) for name, section in self.sections.items()}
        check_coverage(model, wrappers)
        return DomainOptimWrappers(**wrappers)

    def _build(self, part: nn.Module, section: dict) -> OptimWrapper:
        config = copy.deepcopy({**self.shared, **section})
        paramwise = config.pop('paramwise_cfg', None)
        constructor = config.pop('constructor', 'DefaultOptimWrapperConstructor')
        builder = OPTIM_WRAPPER_CONSTRUCTORS.build(
            {'type': constructor, 'optim_wrapper_cfg': config, 'paramwise_cfg': paramwise}
        )
        return builder(part)


def check_coverage(model: nn.Module, wrappers: dict[str, OptimWrapper]) -> None:
    """Raises ValueError, with names, unless each trainable parameter of `model` is in exactly one optimiser."""
    counts = Counter(
        id(parameter)
        for wrapper in wrappers.values()
        for group in wrapper.optimizer.param_groups
        for parameter in group['params']
    )
    for problem, wrong in (('is in no optimiser', lambda count: count == 0), ('has several', lambda count: count > 1)):
        names = [
            name
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and wrong(counts[id(parameter)])
        ]
        if names:
            raise ValueError(
                f'{problem}: {", ".join(names[:5])} ({len(names)} in all); optim_wrapper has the sections '
                f'{list(wrappers)}'
            )
