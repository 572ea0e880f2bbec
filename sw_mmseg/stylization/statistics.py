"""A style network whose norms see the whole picture although it is computed in tiles, or several frames of a video.

Norms of single images (IN, IW, SW, and any without running statistics) make every pixel depend on all others: computed
tile by tile, each tile gets a look of its own. Here the network goes section by section over tiles
(`StyleNetwork.sections`). A section with n norms is run n times to gather, one after the other, the moments that each
norm's input has over the whole picture, every pixel counted once, and once more to be kept. What is held whole is the
activation between two sections, at a quarter of the size; the result is that of the untiled network but for
rounding. No counterpart in the paper.

Over the frames of a video the same moments can be smoothed, so that colours do not flicker: m ← s·m + (1 − s)·own.
"""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from sw_mmseg.whitening import SwitchWhiten2d
from sw_mmseg.whitening.backends import torch_backend
from sw_mmseg.whitening.maths import BATCH, INSTANCE, Moments, Parameters, Settings, mix_to_affine

from .network import Section, StyleNetwork

__all__ = ['PictureNorm', 'WholePicture', 'uses_picture']

Window = tuple[tuple[int, int], tuple[int, int]]  # (top, bottom), (left, right)


def uses_picture(norm: nn.Module) -> bool:
    """Whether a norm, in evaluation, takes statistics of the picture at hand.

    Raises:
        ValueError: it takes some that are not known here, such as those of GN.
    """
    if isinstance(norm, (nn.GroupNorm, nn.LayerNorm)):
        raise ValueError(f'{type(norm).__name__} has statistics that are not gathered here: use IN, IW, SW, BW or BN')
    if isinstance(norm, SwitchWhiten2d):
        return not INSTANCE.isdisjoint(norm.statistics) or norm.running_mean is None
    return isinstance(norm, _NormBase) and norm.running_mean is None


class PictureNorm(nn.Module):
    """A norm, evaluated with moments that it is given bit by bit; 1×C×H×W inputs. A batch is this one picture, where
    the norm keeps no running statistics.

    `begin`, `add` of every part of the picture, `close`; until then, inputs pass unchanged. With `whole_input`
    it does all that by itself on every input.

    Args:
        norm: for which `uses_picture` is true.
        smooth: share of the moments of the pictures before, in 0 <= smooth < 1.
    """

    def __init__(self, norm: nn.Module, smooth: float = 0.0) -> None:
        super().__init__()
        if not 0 <= smooth < 1:
            raise ValueError(f'smooth must be at least 0 and less than 1, got {smooth}')
        self.norm, self.smooth, self.whole_input = norm, smooth, True
        self._before: Moments | None = None
        self.begin()

    def begin(self) -> None:
        """Nothing is known of the next picture."""
        self._count, self._moments, self._affine = 0, None, None

    def add(self, x: Tensor) -> None:
        """Pool the moments with those of another part of the picture, in fp64."""
        part, count = torch_backend.sample_moments(x, self._settings().group_size), x[0, 0].numel()
        part = Moments(*(moment.double() for moment in part))
        if self._moments is not None:
            share = count / (self._count + count)
            difference = part.mean - self._moments.mean
            between = share * (1 - share) * difference.unsqueeze(-1) * difference.unsqueeze(-2)
            part = Moments(
                self._moments.mean + share * difference, (1 - share) * self._moments.cov + share * part.cov + between
            )
        self._count, self._moments = self._count + count, part

    def close(self) -> None:
        """All of the picture has been added."""
        if self._before is not None:
            self._moments = Moments(
                *(self.smooth * old + (1 - self.smooth) * new for old, new in zip(self._before, self._moments))
            )
        self._before = self._moments if self.smooth else None
        sample = Moments(*(moment.float() for moment in self._moments))
        self._affine = mix_to_affine(sample, self._batch(sample), sample.mean, self._learned(), self._settings())
        self._shift = sample.mean

    def forward(self, x: Tensor) -> Tensor:
        """Normalises with the statistics of the whole picture."""
        if self.whole_input:
            self.begin()
            self.add(x)
            self.close()
        if self._affine is None:
            return x
        return torch_backend.apply(x, self._shift, self._affine.matrix, self._affine.vector)

    def _settings(self) -> Settings:
        norm = self.norm
        if not isinstance(norm, SwitchWhiten2d):
            return Settings(('in',), 1, norm.eps, 'newton', 5)
        return Settings(norm.statistics, norm.group_size, norm.eps, norm.inverse_sqrt, norm.iterations)

    def _learned(self) -> Parameters:
        norm = self.norm
        if not isinstance(norm, SwitchWhiten2d):
            one = self._moments.mean.new_ones(1)
            return Parameters(norm.weight, norm.bias, one, one)
        return Parameters(norm.weight, norm.bias, norm.mean_logits, norm.cov_logits)

    def _batch(self, sample: Moments) -> Moments | None:
        """In place of the moments of a batch."""
        if not isinstance(self.norm, SwitchWhiten2d) or BATCH.isdisjoint(self.norm.statistics):
            return None
        if self.norm.running_mean is None:
            return sample
        size = self._settings().group_size
        return Moments(self.norm.running_mean.float().view(1, -1, size), self.norm.running_cov.float().unsqueeze(0))


class WholePicture:
    """Stylises pictures with a network, in tiles if they are large; `__call__`: 3×H×W in 0..1 -> the same.

    Args:
        network: it is copied.
        tile: pixels a side of a tile, a multiple of 4; 0: pictures are computed whole.
        smooth: of the statistics over the calls, see `PictureNorm`.
        device: where tiles are computed; pictures stay where they are.
    """

    def __init__(
        self, network: StyleNetwork, tile: int = 0, smooth: float = 0.0, device: torch.device | str = 'cpu'
    ) -> None:
        if tile < 0 or tile % 4:
            raise ValueError(f'tile must be a multiple of 4, or 0 for none; got {tile}')
        self.network, self.tile, self.device = copy.deepcopy(network).to(device).eval(), tile, device
        for parent in list(self.network.modules()):
            for name, child in list(parent.named_children()):
                if (tile or smooth) and uses_picture(child):
                    setattr(parent, name, PictureNorm(child, smooth))

    @torch.inference_mode()
    def __call__(self, picture: Tensor) -> Tensor:
        """3×H×W between 0 and 1 to the same, stylised."""
        height, width = picture.shape[1:]
        x = self.network.pad(picture[None])
        tiled = self.tile and max(x.shape[-2:]) > self.tile
        for norm in norms_of(self.network):
            norm.whole_input = not tiled
        if not tiled:
            return self.network(x.to(self.device))[0, :, :height, :width].to(picture.device)
        step = self.tile
        for section in self.network.sections():
            before = x.shape[-1]
            x = self._section(section, x, step)
            step = max(1, step * x.shape[-1] // before)
        return x[0, :, :height, :width]

    def _section(self, section: Section, x: Tensor, step: int) -> Tensor:
        """A section of all tiles of x: first its norms in order, then its output."""
        norms = norms_of(section.module)
        for norm in norms:
            norm.begin()
        for norm in norms:
            for outer, inner in windows(x.shape[-2:], step, section.halo):

                def look(
                    _, inputs: tuple[Tensor], outer: Window = outer, inner: Window = inner, norm: PictureNorm = norm
                ) -> None:
                    norm.add(cut(inputs[0], outer, inner))

                handle = norm.register_forward_pre_hook(look)
                section.run(slice_of(x, outer).to(self.device))
                handle.remove()
            norm.close()
        y = None
        for outer, inner in windows(x.shape[-2:], step, section.halo):
            part = cut(section.run(slice_of(x, outer).to(self.device)), outer, inner)
            scale = part.shape[-1] / (inner[1][1] - inner[1][0])
            if y is None:
                y = x.new_empty(1, part.shape[1], *(round(side * scale) for side in x.shape[-2:]))
            (top, _), (left, _) = ((round(v * scale) for v in side) for side in inner)
            y[:, :, top : top + part.shape[-2], left : left + part.shape[-1]] = part
        return y


def norms_of(module: nn.Module) -> list[PictureNorm]:
    """In the order in which they are called."""
    return [child for child in module.modules() if isinstance(child, PictureNorm)]


def windows(size: tuple[int, int], step: int, halo: int) -> Iterator[tuple[Window, Window]]:
    """Tiles of a picture: with what is around them, and without."""
    for top in range(0, size[0], step):
        for left in range(0, size[1], step):
            inner = tuple((begin, min(begin + step, side)) for begin, side in zip((top, left), size))
            yield tuple((max(0, a - halo), min(b + halo, side)) for (a, b), side in zip(inner, size)), inner


def slice_of(x: Tensor, window: Window) -> Tensor:
    """The part of N×C×H×W in a window."""
    (top, bottom), (left, right) = window
    return x[:, :, top:bottom, left:right]


def cut(x: Tensor, outer: Window, inner: Window) -> Tensor:
    """What lies in `inner`, of what was computed of `outer` at any scale."""
    scale = x.shape[-1] / (outer[1][1] - outer[1][0])
    return slice_of(x, tuple(tuple(round((v - o[0]) * scale) for v in i) for o, i in zip(outer, inner)))
