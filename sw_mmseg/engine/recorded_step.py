"""The training step of an mmengine model as a CUDA graph, with the batch, the learning rates and what is logged as
tensors in fixed places.

A batch is prepared as ever, by the model's data preprocessor; recorded are forward, losses, backward and the
optimiser's step. What a batch says beside tensors, such as the names of its images, stays in the graph what it was
when the step was recorded, so losses must not depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.structures import BaseDataElement
from torch import Tensor
from torch.optim import Optimizer

from sw_mmseg.engine.waits import Waits, WaitsForDevice
from sw_mmseg.whitening.graphs import GraphedStep, Recorder

__all__ = ['RecordedStep', 'filled', 'tensors_of']


class RecordedStep:
    """In place of `model.train_step`: the same losses, gradients and weights.

    The graph is recorded anew where parts of the model begin or cease to learn, or change between training and
    evaluation mode, and where an option of the optimiser changes that is no learning rate.

    Raises:
        ValueError: when called, images of another height or width than before.
        RuntimeError: when called, the step cannot be recorded: in the last one of the warm-up, which is looked at
            operation by operation, or else when it is recorded.
    """

    def __init__(
        self,
        model: BaseModel,
        wrapper: OptimWrapper,
        device: torch.device,
        warmup: int,
        recorder: Recorder | None = None,
    ) -> None:
        self._model, self._wrapper, self._device, self._warmup = model, wrapper, device, warmup
        self._steps = 0  # of the warm-up, that have begun
        self._rates = _Rates(wrapper.optimizer, device)
        self._graphed = GraphedStep(self._step, device.type, warmup, recorder)
        self._batch: Any = None
        self._size: torch.Size | None = None
        self._state: tuple[object, ...] | None = None

    def __call__(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """One step, as `mmengine.model.BaseModel.train_step`; returns what is logged."""
        with torch.no_grad():
            self._batch = self._model.data_preprocessor(data, True)
        tensors = tensors_of(self._batch)
        self._check_size(tensors)
        state = self._state_of_model()
        if state != self._state:
            self._graphed.forget()
            self._state, self._steps = state, 0
        try:
            with self._rates.on_device():
                logged = self._graphed(*tensors)
        except RuntimeError as error:
            if not isinstance(error, WaitsForDevice) and not _is_about_capture(error):
                raise
            raise RuntimeError(
                f'CUDAGraphHook: the training step of {type(self._model).__name__} cannot be recorded, since it waits '
                f'for a value of its GPU ({error}). Train without the hook'
            ) from error
        return {name: value.detach().clone() for name, value in logged.items()}

    def _step(self, *tensors: Tensor) -> dict[str, Tensor]:
        """What is recorded; before that it is looked at."""
        self._steps += 1
        with Waits(self._device) if self._steps == self._warmup else nullcontext():
            return self._trained(filled(self._batch, iter(tensors)))

    def _trained(self, batch: Any) -> dict[str, Tensor]:
        with self._wrapper.optim_context(self._model):
            losses = self._model(**batch, mode='loss') if isinstance(batch, dict) else self._model(*batch, mode='loss')
        loss, logged = self._model.parse_losses(losses)
        self._wrapper.update_params(loss)
        return logged

    def _check_size(self, tensors: list[Tensor]) -> None:
        images = next((tensor for tensor in tensors if tensor.ndim == 4), None)
        if images is None:
            return
        size = images.shape[2:]
        if self._size is None:
            self._size = size
        if size != self._size:
            first, later = ('×'.join(map(str, sides)) for sides in (self._size, size))
            raise ValueError(
                f'CUDAGraphHook: images of {later} after images of {first}. A recorded step needs one size: crop and '
                'pad to it in the pipeline, or train without the hook'
            )

    def _state_of_model(self) -> tuple[object, ...]:
        learning = tuple(parameter.requires_grad for parameter in self._model.parameters())
        return learning, tuple(module.training for module in self._model.modules()), self._rates.options()


class _Rates:
    """The learning rates of an optimiser. Schedulers and logs see numbers, a step sees a tensor for each, which a
    recorded one reads anew at every replay."""

    def __init__(self, optimizer: Optimizer, device: torch.device) -> None:
        self._groups = optimizer.param_groups
        self._numbers: list[float] = []
        self._values = torch.zeros(len(self._groups), device=device)
        self._tensors = self._values.unbind()

    @contextmanager
    def on_device(self) -> Iterator[None]:
        """For the length of a step."""
        numbers = [float(group['lr']) for group in self._groups]
        if numbers != self._numbers:
            self._values.copy_(torch.tensor(numbers))
            self._numbers = numbers
        for group, tensor in zip(self._groups, self._tensors):
            group['lr'] = tensor
        try:
            yield
        finally:
            for group, number in zip(self._groups, numbers):
                group['lr'] = number

    def options(self) -> tuple[object, ...]:
        """Every other number and switch: what is recorded with the step."""
        kept = ('params', 'lr', 'initial_lr')
        return tuple((name, value) for group in self._groups for name, value in group.items() if name not in kept)


def tensors_of(batch: Any) -> list[Tensor]:
    """All tensors of nested dictionaries, sequences and data elements, in a fixed order."""
    if isinstance(batch, Tensor):
        return [batch]
    if isinstance(batch, BaseDataElement):
        batch = {name: batch.get(name) for name in sorted(batch.keys())}
    if isinstance(batch, dict):
        return [tensor for name in batch for tensor in tensors_of(batch[name])]
    if isinstance(batch, (list, tuple)):
        return [tensor for value in batch for tensor in tensors_of(value)]
    return []


def filled(batch: Any, tensors: Iterator[Tensor]) -> Any:
    """A batch like `batch` with `tensors` in the order of `tensors_of`."""
    if isinstance(batch, Tensor):
        return next(tensors)
    if isinstance(batch, BaseDataElement):
        fields = {name: filled(batch.get(name), tensors) for name in sorted(batch.keys())}
        return batch.new(**fields) if fields else batch
    if isinstance(batch, dict):
        return {name: filled(value, tensors) for name, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return [filled(value, tensors) for value in batch]
    return batch


def _is_about_capture(error: RuntimeError) -> bool:
    return 'captur' in str(error).lower()
