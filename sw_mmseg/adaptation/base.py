"""What every adaptation method shares: a segmentor, whose images move its running statistics, and how it predicts.

A method is a subclass with a `train_step(data, optim_wrapper)` that reads as its algorithm and returns a `StepLog`.
`optim_wrapper` has a section for each part that learns (`DomainOptimWrapperConstructor`), so `train_step` works the
same with one player or two, and with several processes (`MMSeparateDistributedDataParallel`), as long as gradients come
from the parts' own `forward`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from operator import add
from typing import Any

from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from sw_mmseg.adaptation.checkpoints import accept_other_checkpoints
from sw_mmseg.adaptation.randomness import run_seed
from sw_mmseg.adaptation.settings import AdaptationSettings
from sw_mmseg.adaptation.statistics import DomainStatistics
from sw_mmseg.models import MultiLevelSegmentor
from sw_mmseg.models.wrappers import unwrap

__all__ = ['DomainAdaptation', 'Maps', 'detach', 'evaluating', 'without_gradient']

Maps = dict[str, Tensor]  # by level: N classes h w


@contextmanager
def without_gradient(module: nn.Module) -> Iterator[nn.Module]:
    """Inside, forwards of `module` pass gradients through to their inputs and give its parameters none."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield module
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Inside, `model` starts in eval mode; outside, every module's mode is what it was."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield model.eval()
    finally:
        for module, training in modes:
            module.training = training


def detach(maps: Maps) -> Maps:
    """The same maps without their history."""
    return {name: value.detach() for name, value in maps.items()}


class DomainAdaptation(BaseModel):
    """A segmentor that learns from two domains; predicts as its segmentor does.

    Args:
        settings: what all methods are told.
    """

    segmentor: MultiLevelSegmentor
    statistics: DomainStatistics

    def __init__(self, settings: AdaptationSettings) -> None:
        super().__init__(MODELS.build(settings.data_preprocessor or {'type': 'DomainPreprocessor'}), settings.init_cfg)
        self.segmentor = MODELS.build(settings.segmentor)
        self.align_corners = self.segmentor.align_corners
        self.statistics = DomainStatistics(self.segmentor, settings.statistics_from)
        self.evaluate_with = settings.evaluate_with
        self.run_seed = int(run_seed())
        self.register_load_state_dict_pre_hook(accept_other_checkpoints)

    def init_weights(self) -> None:
        """Those of every part; both sets of running statistics start as the segmentor's."""
        super().init_weights()
        self.statistics.copy_from(unwrap(self.segmentor))

    def restart(self) -> None:
        """Forgets what a checkpoint from which a new run starts tells of the run that wrote it: its seed and, in
        subclasses, how far it was. Called once the checkpoint is read; a resumed run keeps all of it."""
        if 'seed' in self._buffers:
            self.get_buffer('seed').fill_(self.run_seed)

    @contextmanager
    def domain_pass(self, wrapper: OptimWrapper, domain: str | None) -> Iterator[None]:
        """Around a forward of the segmentor in training: the precision and synchronisation of its wrapper, and the
        running statistics of the domain whose images pass; None for images that describe no domain."""
        with wrapper.optim_context(self.segmentor), self.statistics.of(unwrap(self.segmentor), domain):
            yield

    def supervised_loss(self, logits: Tensor, data_samples: list, head: str = 'decode_head') -> tuple[Tensor, Tensor]:
        """A head's own loss, from logits (N, classes, h, w) at feature resolution, and its pixel accuracy (percent)."""
        losses = self.heads()[head].loss_by_feat(logits, data_samples)
        return reduce(add, (value for name, value in losses.items() if 'loss' in name)), losses['acc_seg']

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor') -> Any:
        """The segmentor's 'tensor', 'levels' or 'predict'.

        Raises:
            RuntimeError: mode 'loss': the parts of a method have losses of their own; `train_step` trains them.
        """
        if mode == 'loss':
            raise RuntimeError(
                f"{type(self).__name__} has no mode 'loss': it trains in train_step, on two-domain batches"
            )
        segmentor = unwrap(self.segmentor)
        if self.evaluate_with == 'source':
            with self.statistics.set_of(segmentor, 'source'):
                return segmentor(inputs, data_samples, mode)
        return segmentor(inputs, data_samples, mode)

    @contextmanager
    def predicting_set(self) -> Iterator[None]:
        """Inside, the segmentor's buffers are those that predictions use, whichever domain's, and stay in place."""
        if self.evaluate_with == 'target':
            yield
            return
        domain, self.evaluate_with = self.evaluate_with, 'target'  # so that `forward` exchanges no buffers
        try:
            with self.statistics.set_of(unwrap(self.segmentor), domain):
                yield
        finally:
            self.evaluate_with = domain

    def heads(self) -> dict[str, BaseDecodeHead]:
        """The segmentor's heads by level name."""
        return unwrap(self.segmentor).heads()
