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

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmseg.registry import MODELS
from torch import Tensor, nn

from sw_mmseg.adaptation.base import unwrap
from sw_mmseg.adaptation.levels import MultiLevelAdaptation
from sw_mmseg.adaptation.photometric import Photometric
from sw_mmseg.adaptation.randomness import image_generators
from sw_mmseg.losses import instance_covariances, selective_whitening, sensitive_entries, variance_between_views

Covariances = dict[str, Tensor]  # by layer: N C(C-1)/2


class SensitiveCovariances(nn.Module):
    """What is known of the covariances of one layer with C channels: V added up over images, and M once it is made."""

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
        segmentor: config of a `MultiLevelSegmentor`.
        layers: names of norms in its backbone whose outputs are whitened, such as 'norm1' or 'layer1.2.bn2'.
        warmup: iterations before whitening begins.
        compare: the last so many iterations of the warm-up compare images with their views.
        lambda_isw: weight of the whitening loss, a mean over layers.
        clusters: of the variances; all but the lowest are suppressed.
        view: arguments of `Photometric`. Images must be RGB after the preprocessor.
        levels, data_preprocessor, init_cfg: of `MultiLevelAdaptation`.
        statistics_from: 'source', or 'frozen'; there is no other domain.

    Logged: `loss_seg`, `acc_seg`, `loss_isw` (unweighted, 0 in the warm-up), `whitened` (share of the entries that are
    suppressed). Trains on `Positioned`, not on a domain pair.
    """

    def __init__(
        self,
        segmentor: dict,
        layers: Sequence[str],
        warmup: int,
        compare: int,
        lambda_isw: float = 0.6,
        clusters: int = 3,
        view: dict | None = None,
        levels: Sequence[dict] = ({'head': 'decode_head'},),
        statistics_from: str = 'source',
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(segmentor, levels, statistics_from, 'target', data_preprocessor, init_cfg)
        if statistics_from not in ('source', 'frozen'):
            raise ValueError(f"ISW sees no target image: statistics_from must be 'source' or 'frozen', got "
                             f'{statistics_from!r}')
        if not 0 < compare <= warmup:
            raise ValueError(f'compare must lie between 1 and warmup, got compare={compare}, warmup={warmup}')
        if clusters < 2:
            raise ValueError(f'clusters must be at least 2, got {clusters}: the lowest is left alone')
        self.layers, self.warmup, self.compare = tuple(layers), warmup, compare
        self.lambda_isw, self.clusters, self.view = lambda_isw, clusters, Photometric(**(view or {}))
        self.covariances = nn.ModuleList(SensitiveCovariances(channels_of(norm)) for norm in self.norms())
        self.register_buffer('iteration', torch.zeros((), dtype=torch.long))
        self.register_buffer('seed', torch.tensor(torch.initial_seed() % 2**31))  # the run's; draws nothing

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """One iteration on a batch of labelled source images; returns what to log."""
        if 'inputs' not in data:
            raise KeyError('ISW trains on source images alone, as a Positioned data set gives them; found '
                           f'{sorted(data)}')
        batch = self.data_preprocessor(data, True)
        segmentor, iteration = optim_wrapper['segmentor'], int(self.iteration)
        comparing, whitening = self.warmup - self.compare <= iteration < self.warmup, iteration >= self.warmup
        log: dict[str, Tensor] = {}

        with segmentor.optim_context(self.segmentor), self.statistics.of(unwrap(self.segmentor), 'source'):
            with self.measured(comparing or whitening, detach=comparing) as covariances:
                logits = self.segmentor(batch['inputs'], mode='levels')
            loss = self.segmentation_loss(logits, batch['data_samples'], log)
            loss = loss + self.lambda_isw * self.whitening_loss(covariances if whitening else {}, log)
        if comparing:
            self.compare_with_views(batch['inputs'], covariances, segmentor)
        segmentor.update_params(loss)

        self.iteration += 1
        if self.iteration == self.warmup:
            for layer in self.covariances:
                layer.mask.copy_(sensitive_entries(layer.variance, self.clusters))
        return log

    def whitening_loss(self, covariances: Covariances, log: dict[str, Tensor]) -> Tensor:
        """Mean over layers of L_ISW; 0 of no covariances."""
        losses = [selective_whitening(covariances[name], layer.mask)
                  for name, layer in zip(self.layers, self.covariances) if name in covariances]
        loss = torch.stack(losses).mean() if losses else self.covariances[0].variance.new_zeros(()).float()
        log['loss_isw'] = loss.detach()
        log['whitened'] = torch.stack([layer.mask.float().mean() for layer in self.covariances]).mean()
        return loss

    @torch.no_grad()
    def compare_with_views(self, images: Tensor, covariances: Covariances, wrapper: OptimWrapper) -> None:
        """Adds to V what changes between images and photometric views of them; moves no running statistics."""
        generators = image_generators('view', int(self.seed), int(self.iteration), len(images))
        views, segmentor = self.view(images, generators, self.data_preprocessor), unwrap(self.segmentor)
        with wrapper.optim_context(self.segmentor), self.statistics.of_neither(segmentor):
            with self.measured() as of_views:
                segmentor.extract_feat(views)
        for name, layer in zip(self.layers, self.covariances):
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
            raise ValueError(f'layers must name norms of the backbone; {unknown or "nothing"} does not. There are '
                             f'{list(norms)}')
        return [norms[name] for name in self.layers]


def channels_of(module: nn.Module) -> int | None:
    """Channels of a norm; None of anything else."""
    return getattr(module, 'num_features', getattr(module, 'num_channels', None))
