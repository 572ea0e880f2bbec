"""ImageNet weights, loaded so that a run either starts from them or says loudly that it does not.

`init_cfg=dict(type='ImageNetPretrained', checkpoint='torchvision://vgg16')` on a backbone; or `package://NAME`
(`weight_packages.py`), `timm://NAME` (`timm_weights.py`), `open-mmlab://NAME`, `mmcls://NAME`, an `https://` address,
or the path of a file of the same form, of torch or `.safetensors`: with BatchNorm or with SW, a backbone alone, a whole
model of the OpenMMLab family, or a checkpoint of a training, this package's own included. mmengine's own `Pretrained`
loads whatever matches and goes on; here the share of the backbone's parameters that the file filled is logged, and
below `minimum` the run stops. Parameters that such a file cannot hold (switches, a norm that VGG16 never had, fc6 and
fc7) are left out of the count and listed.
"""

import logging
import pickle
from pathlib import Path

import torch
from mmengine.dist import barrier, get_local_rank
from mmengine.logging import print_log
from mmengine.model.weight_init import update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from sw_mmseg.models.from_batchnorm import start_as_batchnorm, switching_layers
from sw_mmseg.models.from_whitening import variances_of_whitening
from sw_mmseg.models.timm_weights import TIMM, TimmWeightsError, read_timm
from sw_mmseg.models.weight_packages import SCHEME, MissingPackageError, WeightPackageError, read_package
from sw_mmseg.models.weights_file import backbone_weights, read_tensors

__all__ = ['ImageNetPretrained', 'PretrainedError', 'advice', 'load_pretrained', 'read_checkpoint']

TORCHVISION = 'torchvision://'
SWITCHES = {
    'mean_logits': 'the switch of a new layer starts uniform',
    'cov_logits': 'the switch of a new layer starts uniform',
}


class PretrainedError(RuntimeError):
    """Pretrained weights are not there, cannot be read, or do not fit."""


def advice(checkpoint: str) -> str:
    """What a user can do when `checkpoint` is of no use."""
    return (
        f'(asked for {checkpoint!r}.) Give a file with --cfg-options KEY.init_cfg.checkpoint=PATH, or train from '
        'scratch with KEY.init_cfg=None; KEY is model.segmentor.backbone in an adaptation config, else model.backbone'
    )


def read_checkpoint(checkpoint: str) -> dict[str, Tensor]:
    """The state dict behind `torchvision://NAME` (its first ImageNet weights), `package://NAME`, `timm://NAME`, an
    address that mmengine knows, or a path.

    Raises:
        PretrainedError: unknown name, failed download, missing or unreadable file; says what to do instead.
    """
    if checkpoint.startswith(TORCHVISION):
        state = _from_torchvision(checkpoint)
    elif checkpoint.startswith((SCHEME, TIMM)):
        state = _from_library(checkpoint)
    else:
        state = _from_mmengine(checkpoint) if '://' in checkpoint else _from_file(checkpoint)
    return backbone_weights(state.get('state_dict', state))


def _from_file(checkpoint: str) -> dict:
    if not Path(checkpoint).is_file():
        raise PretrainedError(f'no such file {advice(checkpoint)}')
    try:
        return read_tensors(checkpoint)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise PretrainedError(f'not a file of weights: {error} {advice(checkpoint)}') from error


def _from_library(checkpoint: str) -> dict:
    """`package://NAME`, `timm://NAME`."""
    scheme, read = (TIMM, read_timm) if checkpoint.startswith(TIMM) else (SCHEME, read_package)
    try:
        return read(checkpoint[len(scheme) :])
    except (WeightPackageError, TimmWeightsError) as error:
        raise PretrainedError(f'{error} {advice(checkpoint)}') from error


def _from_mmengine(checkpoint: str) -> dict:
    """`open-mmlab://resnet50_v1c`, `mmcls://resnet50_v1d`, `https://...`."""
    try:
        return CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu', logger='silent')
    except KeyError as error:
        raise PretrainedError(f'mmengine knows no model of that name {advice(checkpoint)}') from error
    except (OSError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise PretrainedError(f'cannot fetch it: {error} {advice(checkpoint)}') from error


def _from_torchvision(checkpoint: str) -> dict:
    from torchvision.models import get_model_weights

    name = checkpoint[len(TORCHVISION) :]
    try:
        url = get_model_weights(name).IMAGENET1K_V1.url
    except (ValueError, AttributeError) as error:
        raise PretrainedError(f'torchvision has no ImageNet weights of that name {advice(checkpoint)}') from error
    try:
        try:
            if get_local_rank() == 0:  # one download a machine; the others find it in the cache
                return torch.hub.load_state_dict_from_url(url, map_location='cpu', weights_only=True, check_hash=True)
        finally:
            barrier()
        return torch.hub.load_state_dict_from_url(url, map_location='cpu', weights_only=True)
    except (OSError, RuntimeError) as error:  # URLError is an OSError; a wrong hash a RuntimeError
        raise PretrainedError(f'cannot fetch {url}: {error} {advice(checkpoint)}') from error


def load_pretrained(
    module: nn.Module, state: dict[str, Tensor], minimum: float = 0.9, source: str = '', init_from_bn: bool = False
) -> float:
    """Copies what fits of `state` into `module` and returns the share of the module's own parameters that it filled.

    A module may have `remap_pretrained(state) -> state` (renames keys) and `without_pretrained` (a dict of name
    prefixes a file cannot hold, with the reason). A layer's own loading rules hold, so that BatchNorm's statistics
    enter a whitening layer; the variances of a whitening layer enter a BatchNorm. Counted in tensors; buffers do not
    count. With `init_from_bn`, whitening that the file has as BatchNorm computes that BatchNorm, see `from_batchnorm`.

    Raises:
        PretrainedError: the share is below `minimum`.
    """
    if hasattr(module, 'remap_pretrained'):
        state = module.remap_pretrained(state)
    state = _without_unused_statistics(module, state)
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    misfits = [key for key, value in state.items() if key in tensors and tensors[key].shape != value.shape]
    fitting = {key: value for key, value in state.items() if key not in misfits}
    with variances_of_whitening(module):
        missing = set(module.load_state_dict(fitting, strict=False).missing_keys)

    excepted = {name: _reason(module, name) for name, _ in module.named_parameters() if name in missing}
    unfilled = [name for name, reason in excepted.items() if reason is None]
    counted = [name for name, _ in module.named_parameters() if name in unfilled or name not in missing]
    share = 1 - len(unfilled) / max(len(counted), 1)

    text = f'{source}: {share:.1%} of the {len(counted)} parameters it can hold of {type(module).__name__} are loaded'
    print_log(text, 'current')
    for name, reason in excepted.items():
        print_log(
            f'not in the file: {name}: {reason or "MISSING, keeps its initial value"}',
            'current',
            logging.INFO if reason else logging.WARNING,
        )
    if share < minimum:
        raise PretrainedError(
            f'{text}; at least {minimum:.0%} are needed (init_cfg.minimum). Missing: {_few(unfilled)}. Of another '
            f'shape: {_few(misfits)}. In the file: {_few(list(state))} {advice(source)}'
        )
    for name, layer in switching_layers(module).items() if init_from_bn else ():
        if f'{name}.running_var' in state:
            start_as_batchnorm(layer)
            print_log(f'{name} starts as the BatchNorm of the file', 'current')
    return share


def _without_unused_statistics(module: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Where the file has a BatchNorm and the module an InstanceNorm without running statistics: what torch refuses."""
    unused = {
        f'{name}.{buffer}'
        for name, layer in module.named_modules()
        for buffer in ('running_mean', 'running_var')
        if isinstance(layer, nn.InstanceNorm2d) and not layer.track_running_stats
    }
    return {key: value for key, value in state.items() if key not in unused}


def _reason(module: nn.Module, name: str) -> str | None:
    if name.rpartition('.')[2] in SWITCHES:
        return SWITCHES[name.rpartition('.')[2]]
    exceptions = getattr(module, 'without_pretrained', {})
    return next((reason for prefix, reason in exceptions.items() if name.startswith(prefix)), None)


def _few(names: list[str], limit: int = 4) -> str:
    return ', '.join(names[:limit]) + (f' and {len(names) - limit} more' if len(names) > limit else '') or 'none'


@WEIGHT_INITIALIZERS.register_module()
class ImageNetPretrained:
    """`init_cfg` of a backbone that has to start from ImageNet.

    Args:
        checkpoint: `torchvision://resnet50`, `open-mmlab://resnet50_v1c`, ... or the path of a file.
        minimum: smallest share of the backbone's parameters that must be filled.
        init_from_bn: whitening layers that the file has as BatchNorm start as that BatchNorm, so that the network
            computes what the file's does. Without it, their switches start equal, as in the paper.
        optional: where the package of a `package://` checkpoint is not installed, warn and train from scratch, instead
            of stopping. Everything else that is wrong stops the run all the same.
    """

    def __init__(
        self, checkpoint: str, minimum: float = 0.9, init_from_bn: bool = False, optional: bool = False
    ) -> None:
        self.checkpoint, self.minimum, self.init_from_bn = checkpoint, minimum, init_from_bn
        self.optional = optional

    def __call__(self, module: nn.Module) -> None:
        """Loads the weights into `module`, whole or not at all."""
        try:
            state = read_checkpoint(self.checkpoint)
        except PretrainedError as error:
            if not self.optional or not isinstance(error.__cause__, MissingPackageError):
                raise
            print_log(f'{type(module).__name__} trains from scratch: {error.__cause__}', 'current', logging.WARNING)
            return
        load_pretrained(module, state, self.minimum, self.checkpoint, self.init_from_bn)
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=f'ImageNetPretrained: {self.checkpoint}')
