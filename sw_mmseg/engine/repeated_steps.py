"""The optimiser of AdaptSegNet's published code, which moves most weights of its ResNet several times in a step.

Its parameter list goes through all modules of each stage and takes all parameters of each, so a weight is in it once
for every module that it is in: stage, block, convolution. That may be an accident, but scores were measured with it;
see models/adaptsegnet_resnet.py. torch of that time moreover added weight decay to gradients in place, so that it grew
from one repetition to the next; that is not repeated here.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIMIZERS
from torch import nn

from sw_mmseg.models.wrappers import unwrap

__all__ = ['AdaptSegNetConstructor', 'RepeatedSGD']

BACKBONE = 'backbone.'


@OPTIMIZERS.register_module()
class RepeatedSGD(torch.optim.SGD):
    """SGD that moves the parameters of a group `times` times a step, 1 if the group does not say; momentum and weight
    decay act each time."""

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """As torch's."""
        groups = self.param_groups
        loss = super().step(closure)
        try:
            for turn in range(1, max(group.get('times', 1) for group in groups)):
                self.param_groups = [group for group in groups if group.get('times', 1) > turn]
                super().step()
        finally:
            self.param_groups = groups
        return loss


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class AdaptSegNetConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor for an SGD that moves each weight of the backbone once for every module that it is in,
    from the child of the backbone down.

    Raises:
        ValueError: the optimiser is not SGD, or has no `paramwise_cfg`, which gives each parameter a group of its own.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """The optimiser of `model`, its parameters stepped as often as AdaptSegNet steps them."""
        if self.optimizer_cfg['type'] not in ('SGD', 'RepeatedSGD') or not self.paramwise_cfg:
            raise ValueError('AdaptSegNetConstructor needs SGD and a paramwise_cfg, such as that of the classifiers')
        self.optimizer_cfg['type'] = 'RepeatedSGD'
        wrapper = super().__call__(model)
        model = unwrap(model)
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        for group in wrapper.optimizer.param_groups:
            (parameter,) = group['params']
            name = names[id(parameter)]
            group['times'] = name.removeprefix(BACKBONE).count('.') if name.startswith(BACKBONE) else 1
        return wrapper
