"""Starting a BatchNorm from a trained whitening layer: the variances are the diagonals of its covariances.

The way back of `from_batchnorm`, without its exactness: what a file has of switches and covariances a BatchNorm cannot
hold. Names are compared by each layer itself, after all that a model renames.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, MutableMapping
from typing import Any

from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from sw_mmseg.models.from_batchnorm import switching_layers

__all__ = ['diagonals', 'take_variances', 'variances_of_whitening']


@contextlib.contextmanager
def variances_of_whitening(module: nn.Module) -> Iterator[None]:
    """Meanwhile each BatchNorm in `module` that loads the state of a whitening layer takes its variances, and the log
    says so."""
    whitening = set(switching_layers(module).values())
    norms = [norm for norm in module.modules() if isinstance(norm, _NormBase) and norm not in whitening]
    handles = [norm.register_load_state_dict_pre_hook(_take) for norm in norms]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def diagonals(cov: Tensor) -> Tensor:
    """Variances (C,) of covariances (G, D, D)."""
    return cov.diagonal(dim1=-2, dim2=-1).flatten()


def take_variances(state_dict: MutableMapping[str, Tensor], prefix: str) -> None:
    """Puts variances in place of the covariances under `prefix`, where there are such and no variances."""
    cov, var = f'{prefix}running_cov', f'{prefix}running_var'
    if cov not in state_dict or var in state_dict:
        return
    state_dict[var] = diagonals(state_dict.pop(cov))
    print_log(
        f'{prefix[:-1]} whitens in the file and is a BatchNorm here: its variances are taken, its covariances '
        'and switches are not',
        'current',
        logging.WARNING,
    )


def _take(norm: nn.Module, state_dict: MutableMapping[str, Tensor], prefix: str, *_: Any) -> None:
    if norm.running_var is not None:
        take_variances(state_dict, prefix)
