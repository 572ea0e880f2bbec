"""Any network of timm that gives feature maps or tokens, as a backbone.

Convolutional and hierarchical networks give their last four maps. Plain transformers give four of their blocks, evenly
spaced, the last included, as maps of their patches. An image is scaled to whole patches first, up by less than a patch,
and position embeddings are resampled to its size, so that crops and images may have any size.

With `tuning` a transformer stays frozen but for what `tuning.py` adds, and the checkpoint holds that alone, with the
SHA-256 of the frozen weights: whoever loads it needs these weights again, and is told where they differ. Copies of such
a backbone, a mean teacher's for instance, share the frozen weights.
"""

from __future__ import annotations

import copy
import hashlib
import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from sw_mmseg.models.pretrained import PretrainedError, load_pretrained, read_checkpoint
from sw_mmseg.models.timm_positions import positions_at
from sw_mmseg.models.tuning import add_lora, add_tokens, merge_lora

__all__ = ['TUNINGS', 'TimmFeatures', 'build_timm']

TUNINGS = ('lora', 'rein', 'frozen')
LEVELS = 4
DIGEST = 'frozen_sha256'


@MODELS.register_module()
class TimmFeatures(BaseModule):
    """Images (N, 3, H, W) to four maps; `out_channels` has their channels, `tokens` whether they are of one size.

    Args:
        model_name: of timm, with or without the name of its weights ('vit_small_patch14_dinov2.lvd142m').
        drop_path_rate: share of residual branches that are dropped at the last block.
        tuning: None trains everything; else one of `TUNINGS`, for plain transformers.
        rank: of LoRA, and of Rein's tokens.
        scale: of LoRA's update.
        token_count: Rein's tokens behind each block.
        init_cfg: `dict(type='ImageNetPretrained', checkpoint='timm://NAME')`, or the path of a file there. None trains
            from scratch, which a frozen network refuses.
    """

    frozen_sha256: Tensor

    def __init__(
        self,
        model_name: str,
        drop_path_rate: float = 0.0,
        tuning: str | None = None,
        rank: int = 16,
        scale: float = 1.0,
        token_count: int = 100,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if tuning not in (None, *TUNINGS):
            raise ValueError(f'tuning={tuning!r}: one of {", ".join(TUNINGS)}, or None')
        if tuning is not None and not (init_cfg and init_cfg.get('checkpoint')):
            raise ValueError(f'tuning={tuning!r} freezes the network, which needs weights: give init_cfg a checkpoint')
        self.net, self.out_channels, self.tokens = build_timm(model_name, drop_path_rate)
        self.tuning = tuning
        base = {*dict(self.net.named_parameters()), *dict(self.net.named_buffers())}
        if tuning is not None and not self.tokens:
            raise ValueError(f'tuning={tuning!r} is for plain vision transformers; {model_name} is none')
        if tuning == 'lora':
            add_lora(self.net, rank, scale)
        elif tuning == 'rein':
            add_tokens(self.net, token_count, rank)
        elif tuning == 'frozen':
            self.net.requires_grad_(False)
        self._frozen = frozenset(base if tuning else ())
        if tuning is not None:
            self.register_buffer(DIGEST, torch.zeros(32, dtype=torch.uint8))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps, finest first; of a transformer, the shallowest first."""
        if not self.tokens:
            maps = self.net(x) if not hasattr(self.net, 'forward_intermediates') else self._intermediates(x)
            return tuple(maps)
        patch = _pair(self.net.patch_embed.patch_size)
        # sizes as tensors where a tracer looks on; ONNX divides negative ones otherwise than Python
        whole = [(side + length - 1) // length * length for side, length in zip(x.shape[-2:], patch)]
        if torch.jit.is_tracing() or whole != list(x.shape[-2:]):
            x = F.interpolate(x, whole, mode='bilinear', align_corners=False)
        if torch.jit.is_tracing():
            with positions_at(self.net, whole):
                return tuple(self._intermediates(x))
        return tuple(self._intermediates(x))

    def _intermediates(self, x: Tensor) -> list[Tensor]:
        options: dict[str, Any] = {'norm': True} if self.tokens else {}
        return self.net.forward_intermediates(
            x, indices=_indices(self.net), output_fmt='NCHW', intermediates_only=True, **options
        )

    def init_weights(self) -> None:
        """The weights of `init_cfg`; without one the network stays as timm initialises it."""
        if not self.is_init and self.init_cfg:
            self._read_weights()
        self._is_init = True

    def _read_weights(self) -> None:
        settings = dict(self.init_cfg)
        checkpoint = settings['checkpoint']
        state = _timm_names(self.net, read_checkpoint(checkpoint))
        self.net.without_pretrained = {
            name: 'it is learnt' for name, _ in self.net.named_parameters() if self.tuning and name not in self._frozen
        }
        load_pretrained(self.net, state, settings.get('minimum', 0.9), checkpoint)
        if self.tuning is not None:
            self.frozen_sha256.copy_(self._digest())

    def merge(self) -> int:
        """Makes a tuned network a whole one, in place: LoRA is merged, and state dicts leave nothing out any more.
        Returns how many layers there were to merge."""
        if self.tuning is not None:
            self.tuning, self._frozen = None, frozenset()
            del self.frozen_sha256
        return merge_lora(self.net)

    def _frozen_tensors(self) -> Iterator[tuple[str, Tensor]]:
        tensors = {**dict(self.net.named_parameters()), **dict(self.net.named_buffers())}
        yield from ((name, tensors[name]) for name in sorted(self._frozen) if name in tensors)

    def _digest(self) -> Tensor:
        total = hashlib.sha256()
        for name, value in self._frozen_tensors():
            total.update(name.encode())
            total.update(value.detach().float().cpu().contiguous().numpy().tobytes())
        return torch.tensor(list(total.digest()), dtype=torch.uint8)

    def state_dict(self, *args: Any, **options: Any) -> dict:
        """As every module's, without what is frozen."""
        state = super().state_dict(*args, **options)
        prefix = options.get('prefix', args[1] if len(args) > 1 else '')
        for name in self._frozen:
            state.pop(f'{prefix}net.{name}', None)
        return state

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *arguments: Any) -> None:
        key = f'{prefix}{DIGEST}'
        if self.tuning is not None and key in state_dict:
            if not self.frozen_sha256.any():
                self._read_weights()
            if not torch.equal(self.frozen_sha256.cpu(), state_dict[key].cpu()):
                raise PretrainedError(
                    f'the checkpoint was tuned on other weights than {self.init_cfg["checkpoint"]}: their SHA-256 '
                    'differs. Name the file of weights with which it was trained'
                )
        for name, value in self._frozen_tensors():  # children are loaded from the same dict
            state_dict.setdefault(f'{prefix}net.{name}', value.detach())
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def __deepcopy__(self, memo: dict) -> TimmFeatures:
        for _, value in self._frozen_tensors():
            memo[id(value)] = value
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        new.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return new


def build_timm(model_name: str, drop_path_rate: float = 0.0) -> tuple[nn.Module, tuple[int, ...], bool]:
    """A network of timm without its classifier and without weights, the channels of its maps, and whether these are
    tokens, all of one size.

    Raises:
        ValueError: timm has no such network, or it gives neither maps nor tokens.
    """
    try:
        import timm
    except ImportError as error:
        raise ImportError(f'{model_name} is built by timm: pip install timm') from error
    if not timm.is_model(model_name.partition('.')[0]):
        raise ValueError(f'timm {timm.__version__} has no network {model_name!r}')
    options, tokens, intermediates = _looked_at(model_name)
    options |= {'drop_path_rate': drop_path_rate} if drop_path_rate else {}
    if intermediates:
        net = timm.create_model(model_name, **options)
        net.reset_classifier(0)
        infos = [net.feature_info[index] for index in _indices(net)]
        return net, tuple(info['num_chs'] for info in infos), tokens
    try:
        net = timm.create_model(model_name, features_only=True, **options)
    except (RuntimeError, AttributeError, TypeError, NotImplementedError) as error:
        raise ValueError(f'{model_name} gives neither feature maps nor tokens: {error}') from error
    return net, tuple(net.feature_info.channels()), False


def _looked_at(model_name: str) -> tuple[dict[str, Any], bool, bool]:
    """How a network of timm is to be created, whether it gives tokens, and whether it gives its intermediate maps: as
    one without memory shows, or, where it needs numbers to be built, a whole one."""
    try:
        with torch.device('meta'):
            net, options = _of_any_size(model_name)
    except (RuntimeError, NotImplementedError):
        net, options = _of_any_size(model_name)
    intermediates = hasattr(net, 'forward_intermediates')
    tokens = hasattr(net, 'num_prefix_tokens') and hasattr(net, 'patch_embed')
    if tokens:
        options = {'dynamic_img_size': True, 'num_classes': 0}
    return (options if intermediates else {}), tokens, intermediates


def _of_any_size(model_name: str) -> tuple[nn.Module, dict[str, Any]]:
    """A network, and the options by which those with windows take images of any size."""
    import timm

    options = {'strict_img_size': False}
    try:
        return timm.create_model(model_name, **options), options
    except TypeError:
        return timm.create_model(model_name), {}


def _indices(net: nn.Module) -> list[int]:
    """Of four blocks, evenly spaced to the last, or of the last four maps."""
    count = len(net.feature_info)
    if not hasattr(net, 'num_prefix_tokens'):
        return list(range(max(0, count - LEVELS), count))
    return [math.ceil(count * level / LEVELS) - 1 for level in range(1, LEVELS + 1)]


def _timm_names(net: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A file's names to those of `net`, by timm's own rules for files of the networks' authors."""
    translate = getattr(sys.modules[type(net).__module__], 'checkpoint_filter_fn', None)
    state = dict(state)
    if translate is not None and hasattr(net, 'forward_intermediates'):
        state = dict(translate(state, net))
    names = net.state_dict().keys()
    # a list of features calls the parts of the stages `stages_0`
    return {
        next((name for name in (key, key.replace('.', '_', 1)) if name in names), key): value
        for key, value in state.items()
    }


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])
