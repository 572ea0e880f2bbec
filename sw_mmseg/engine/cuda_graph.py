"""Training steps replayed as CUDA graphs: a small network on a fast GPU no longer waits for its host.

An option of a config whose images all have one size, `custom_hooks=[dict(type='CUDAGraphHook')]`, in place of
`compile=True`. It changes no value. What it gains is unmeasured.
"""

from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from sw_mmseg.engine.bfloat16 import Bfloat16OptimWrapper
from sw_mmseg.engine.recorded_step import RecordedStep
from sw_mmseg.whitening.graphs import Recorder

__all__ = ['CUDAGraphHook']


@HOOKS.register_module()
class CUDAGraphHook(Hook):
    """Records the training step, and replays it: forward, losses, backward, the optimiser's step.

    Batches of fewer images than the recorded one, as the last of an epoch, run as they are.

    Args:
        warmup: steps before the one that is recorded; at least 1, in which the optimiser makes its state.

    Raises:
        ValueError: when built, `warmup` is too small; when training begins, the model or its optimiser has steps that
            cannot be recorded, or there is no GPU; in training, see `RecordedStep`.
    """

    priority = 'VERY_LOW'  # after hooks that prepare the model
    recorder: Recorder | None = None  # that of a GPU

    def __init__(self, warmup: int = 3) -> None:
        if warmup < 1:
            raise ValueError(
                f'CUDAGraphHook: warmup={warmup}, but the optimiser makes its state in a first step: 1 or more'
            )
        self.warmup = warmup

    def before_train(self, runner: Runner) -> None:
        """Puts a `RecordedStep` in the place of the model's `train_step`."""
        model, wrapper = runner.model, runner.optim_wrapper
        problem = _problem(model, wrapper)
        device = next(iter(model.parameters())).device
        if problem is None and device.type != 'cuda' and self.recorder is None:
            problem = f'the model is on {device.type}, and graphs are recorded on CUDA devices alone'
        if problem is not None:
            raise ValueError(f'CUDAGraphHook: {problem}. Remove the hook, or change that')
        model.train_step = RecordedStep(model, wrapper, device, self.warmup, self.recorder)

    def after_train(self, runner: Runner) -> None:
        """The model's own step again."""
        del runner.model.train_step


def _problem(model: torch.nn.Module, wrapper: OptimWrapper) -> str | None:
    """Why the steps of the model cannot be recorded."""
    name = type(model).__name__
    if not isinstance(model, BaseModel):
        return f'{name} is for several processes, and a step is recorded in one'
    if 'train_step' in vars(model):
        return 'the step is compiled, and torch records it itself with compile=dict(mode="reduce-overhead")'
    if type(model).train_step is not BaseModel.train_step:
        return f'{name} has a training step of its own, which is not one forward and one step of one optimiser'
    if type(wrapper) not in (OptimWrapper, Bfloat16OptimWrapper):
        return f'{type(wrapper).__name__} decides in each step what to do; OptimWrapper and Bfloat16OptimWrapper do not'
    if wrapper.clip_grad_kwargs:
        return 'clip_grad logs the norm of the gradients, for which the host waits in each step'
    if wrapper._accumulative_counts != 1:
        return 'accumulative_counts makes steps differ from each other'
    return _problem_of_optimizer(wrapper.optimizer)


def _problem_of_optimizer(optimizer: torch.optim.Optimizer) -> str | None:
    """Whether it reads its learning rates on the device."""
    kind = type(optimizer).__name__
    option = 'fused' if isinstance(optimizer, torch.optim.SGD) else 'capturable'
    if all(group.get(option) for group in optimizer.param_groups):
        return None
    return f'{kind} reads its learning rates on the host; with optim_wrapper.optimizer.{option}=True it does on the GPU'
