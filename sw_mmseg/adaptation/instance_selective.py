"""Generalisation without a target: instance-selective whitening (ISW; Choi et al., "RobustNet", CVPR 2021).

Only source images are seen. One iteration, for chosen norms l = 1 ... L of the network:

    warm-up             L_seg
    its last part       L_seg; beside it each image is compared with a photometric view of itself, and V_l adds up how
                        much every entry of the covariance of the norm's output changes
    end of the warm-up  M_l: the entries that change most (`sensitive_entries`)
    from then on        L_seg + lambda_isw / L sum_l L_ISW(M_l)

The paper puts instance norms behind the first three groups of convolutions, where it whitens; here the norm at the
chosen layers may be any, and what is measured and whitened is its output, standardised by image and channel. Of norms
that treat channels one by one that is the paper's quantity (but for signs); of whitening ones, what they left over.

Departures: V is added up while the network learns, over the last iterations of the warm-up, instead of over a
validation set at its end; the paper's warm-up is five epochs. M is made once, from all of V.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from mmengine.dist import all_reduce
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmseg.registry import MODELS
from torch import Tensor, nn

from sw_mmseg.adaptation.levels import LevelLosses, MultiLevelAdaptation
from sw_mmseg.adaptation.photometric import Photometric
from sw_mmseg.adaptation.randomness import image_generators
from sw_mmseg.adaptation.settings import AdaptationSettings
from sw_mmseg.adaptation.step_log import LevelLog, StepLog
from sw_mmseg.losses import instance_covariances, selective_whitening, sensitive_entries, variance_between_views
from sw_mmseg.models.wrappers import unwrap

__all__ = ['InstanceSelectiveWhitening', 'SensitiveCovariances', 'WhiteningLog', 'channels_of']

Covariances = dict[str, Tensor]  # by layer: N C(C-1)/2


@dataclass(frozen=True, eq=False)
class WhiteningLog(StepLog):
    """Of one iteration: L_ISW, a mean over layers (0 in the warm-up), and the share of entries that are suppressed."""

    loss_isw: Tensor
    whitened: Tensor


class SensitiveCovariances(nn.Module):
    """What is known of the covariances of one layer with C channels: V added up over images, and M once it is made."""

    variance: Tensor
    mask: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        entries = channels * (channels - 1) // 2
        self.register_buffer('variance', torch.zeros(entries, dtype=torch.float64))
        self.register_buffer('mask', torch.zeros(entries, dtype=torch.bool))

    @torch.no_grad()
    def compare(self, covariances: Tensor, of_view: Tensor) -> None:
        """Adds the images of all processes, so that each keeps the same V."""
        variance = variance_between_views(covariances.double(), of_view.double())
        all_reduce(variance, 'sum')
        self.variance += variance.to(self.variance.dtype)


@MODELS.register_module()
class InstanceSelectiveWhitening(MultiLevelAdaptation):
    """A segmentor that learns from source images alone what does not depend on their light and colour.

    Args:
        layers: names of norms in its backbone whose outputs are whitened, such as 'norm1' or 'layer1.2.bn2'.
        warmup: iterations before whitening begins.
        compare: the last so many iterations of the warm-up compare images with their views.
        lambda_isw: weight of the whitening loss, a mean over layers.
        clusters: of the variances; all but the lowest are suppressed.
        view: arguments of `Photometric`. Images must be RGB after the preprocessor.
        statistics_from: 'source', or 'frozen'; there is no other domain.
        settings: the others of `AdaptationSettings`.

    Logged: see `WhiteningLog`. Trains on `Positioned`, not on a domain pair.
    """

    iteration: Tensor
    seed: Tensor

    def __init__(
        self,
        layers: Sequence[str],
        warmup: int,
        compare: int,
        lambda_isw: float = 0.6,
        clusters: int = 3,
        view: dict | None = None,
        statistics_from: str = 'source',
        **settings: Any,
    ) -> None:
        super().__init__(AdaptationSettings(statistics_from=statistics_from, **settings))
        if statistics_from not in ('source', 'frozen'):
            raise ValueError(
                f"ISW sees no target image: statistics_from must be 'source' or 'frozen', got {statistics_from!r}"
            )
        if not 0 < compare <= warmup:
            raise ValueError(f'compare must lie between 1 and warmup, got compare={compare}, warmup={warmup}')
        if clusters < 2:
            raise ValueError(f'clusters must be at least 2, got {clusters}: the lowest is left alone')
        self.layers, self.warmup, self.compare = tuple(layers), warmup, compare
        self.lambda_isw, self.clusters, self.view = lambda_isw, clusters, Photometric(**(view or {}))
        self.covariances = nn.ModuleList(SensitiveCovariances(cast(int, channels_of(norm))) for norm in self.norms())
        self.register_buffer('iteration', torch.zeros((), dtype=torch.long))
        self.register_buffer('seed', torch.tensor(self.run_seed))

    def restart(self) -> None:
        """Warms up anew, and compares images with their views anew."""
        super().restart()
        for buffer in (self.iteration, *self.covariances.buffers()):
            buffer.zero_()

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapperDict) -> WhiteningLog:
        """One iteration on a batch of labelled source images."""
        if 'inputs' not in data:
            raise KeyError(
                f'ISW trains on source images alone, as a Positioned data set gives them; found {sorted(data)}'
            )
        batch = self.data_preprocessor(data, True)
        segmentor, iteration = optim_wrapper['segmentor'], int(self.iteration)
        comparing, whitening = self.warmup - self.compare <= iteration < self.warmup, iteration >= self.warmup

        with self.domain_pass(segmentor, 'source'):
            with self.measured(comparing or whitening, detach=comparing) as covariances:
                logits = self.segmentor(batch['inputs'], mode='levels')
            supervised = self.segmentation_loss(logits, batch['data_samples'])
            selective = self.whitening_loss(covariances if whitening else {})
            loss = supervised.total + self.lambda_isw * selective
        log = self.log(supervised, selective)
        if comparing:
            self.compare_with_views(batch['inputs'], covariances, segmentor)
        segmentor.update_params(loss)

        self.iteration += 1
        if self.iteration == self.warmup:
            self.choose_entries()
        return log

    def whitening_loss(self, covariances: Covariances) -> Tensor:
        """Mean over layers of L_ISW; 0 of no covariances."""
        losses = [
            selective_whitening(covariances[name], layer.mask)
            for name, layer in self.sensitive().items()
            if name in covariances
        ]
        return torch.stack(losses).mean() if losses else self.seed.new_zeros((), dtype=torch.float32)

    def choose_entries(self) -> None:
        """M of every layer, from all of its V."""
        for layer in self.sensitive().values():
            layer.mask.copy_(sensitive_entries(layer.variance, self.clusters))

    def sensitive(self) -> dict[str, SensitiveCovariances]:
        """What is known of each chosen layer's covariances, by the layer's name."""
        return {name: cast(SensitiveCovariances, layer) for name, layer in zip(self.layers, self.covariances)}

    def log(self, supervised: LevelLosses, selective: Tensor) -> WhiteningLog:
        """What the iteration came to, before masks are chosen at its end."""
        levels = {head: LevelLog(loss, supervised.watched[head]) for head, loss in supervised.values.items()}
        shares = [layer.mask.float().mean() for layer in self.sensitive().values()]
        return WhiteningLog(levels, loss_isw=selective.detach(), whitened=torch.stack(shares).mean())

    @torch.no_grad()
    def compare_with_views(self, images: Tensor, covariances: Covariances, wrapper: OptimWrapper) -> None:
        """Adds to V what changes between images and photometric views of them; moves no running statistics."""
        generators = image_generators('view', int(self.seed), int(self.iteration), len(images))
        views = self.view(images, generators, self.data_preprocessor)
        with self.domain_pass(wrapper, None), self.measured() as of_views:
            unwrap(self.segmentor).extract_feat(views)
        for name, layer in self.sensitive().items():
            layer.compare(covariances[name], of_views[name])

    @contextmanager
    def measured(self, on: bool = True, detach: bool = False) -> Iterator[Covariances]:
        """Inside, forwards leave the covariances of the chosen layers' outputs in the dictionary, if `on`."""
        covariances: Covariances = {}

        def keep(name: str, module: nn.Module, inputs: tuple, output: Tensor) -> None:
            covariances[name] = instance_covariances(output.detach() if detach else output)

        hooks = [norm.register_forward_hook(partial(keep, name)) for name, norm in zip(self.layers, self.norms()) if on]
        try:
            yield covariances
        finally:
            for hook in hooks:
                hook.remove()

    def norms(self) -> list[nn.Module]:
        """The chosen norms; looked up anew each time, since conversion to SyncBN replaces them."""
        modules = dict(unwrap(self.segmentor).backbone.named_modules())
        norms = {name: module for name, module in modules.items() if channels_of(module)}
        unknown = [name for name in self.layers if name not in norms]
        if unknown or not self.layers:
            raise ValueError(
                f'layers must name norms of the backbone; {unknown or "nothing"} does not. There are {list(norms)}'
            )
        return [norms[name] for name in self.layers]


def channels_of(module: nn.Module) -> int | None:
    """Channels of a norm; None of anything else."""
    return getattr(module, 'num_features', getattr(module, 'num_channels', None))
