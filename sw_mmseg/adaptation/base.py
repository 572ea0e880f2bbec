"""What every adaptation method shares: a segmentor, whose images move its running statistics, and how it predicts.

A method is a subclass with a `train_step(data, optim_wrapper)` that reads as its algorithm. `optim_wrapper` has a
section for each part that learns (`DomainOptimWrapperConstructor`), so `train_step` works the same with one player or
two, and with several processes (`MMSeparateDistributedDataParallel`), as long as gradients come from the parts' own
`forward`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.model import BaseModel, is_model_wrapper
from mmseg.registry import MODELS
from torch import Tensor, nn

from sw_mmseg.adaptation.checkpoints import accept_other_checkpoints
from sw_mmseg.adaptation.statistics import DOMAINS, DomainStatistics

Maps = dict[str, Tensor]  # by level: N classes h w


def unwrap(module: nn.Module) -> nn.Module:
    """The module inside a DistributedDataParallel wrapper, or the module."""
    return module.module if is_model_wrapper(module) else module


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
        segmentor: config of a `MultiLevelSegmentor`.
        statistics_from: whose images move running statistics: 'source', 'target', 'both', 'separate' or 'frozen'.
        evaluate_with: under 'separate', whose statistics predictions use: 'target' or 'source'.
        data_preprocessor: config of a `DomainPreprocessor`.
        init_cfg: as in every mmengine model.
    """

    def __init__(
        self,
        segmentor: dict,
        statistics_from: str = 'target',
        evaluate_with: str = 'target',
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(MODELS.build(data_preprocessor or {'type': 'DomainPreprocessor'}), init_cfg)
        self.segmentor = MODELS.build(segmentor)
        self.align_corners = self.segmentor.align_corners
        self.statistics = DomainStatistics(self.segmentor, statistics_from)
        if evaluate_with not in DOMAINS or (evaluate_with == 'source' and statistics_from != 'separate'):
            raise ValueError(f"evaluate_with must be one of {DOMAINS}, and 'source' needs statistics_from='separate'; "
                             f'got {evaluate_with!r} with {statistics_from!r}')
        self.evaluate_with = evaluate_with
        self.register_load_state_dict_pre_hook(accept_other_checkpoints)

    def init_weights(self) -> None:
        super().init_weights()
        self.statistics.copy_from(unwrap(self.segmentor))

    def supervised_loss(self, logits: Tensor, data_samples: list, head: str = 'decode_head') -> tuple[Tensor, Tensor]:
        """A head's own loss, from logits (N, classes, h, w) at feature resolution, and its pixel accuracy (percent)."""
        losses = self.heads()[head].loss_by_feat(logits, data_samples)
        return sum(value for name, value in losses.items() if 'loss' in name), losses['acc_seg']

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor') -> Any:
        """The segmentor's 'tensor', 'levels' or 'predict'.

        Raises:
            RuntimeError: mode 'loss': the parts of a method have losses of their own; `train_step` trains them.
        """
        if mode == 'loss':
            raise RuntimeError(f"{type(self).__name__} has no mode 'loss': it trains in train_step, on two-domain "
                               'batches')
        segmentor = unwrap(self.segmentor)
        if self.evaluate_with == 'source':
            with self.statistics.set_of(segmentor, 'source'):
                return segmentor(inputs, data_samples, mode)
        return segmentor(inputs, data_samples, mode)

    def heads(self) -> dict[str, nn.Module]:
        """The segmentor's heads by level name."""
        return unwrap(self.segmentor).heads()
