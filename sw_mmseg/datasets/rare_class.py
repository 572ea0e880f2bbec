"""Rare-class sampling (DAFormer, Sec. 3.3): images that show rare classes come more often.

A class c with the share f_c of all labelled pixels is drawn with probability proportional to exp((1 - f_c) / T), then
one of the images that show enough of it. Departure: DAFormer asks for 3000 pixels of a class in an image; here that
is a share of the image, so that it holds at any size.
"""

from __future__ import annotations

import hashlib
import logging
import os
import os.path as osp
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from sw_mmseg import files

from .errors import DatasetError
from .labels import IGNORE
from .loading import read_labels

__all__ = ['RareClassSampling', 'class_probabilities', 'count_pixels']


def class_probabilities(pixels: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (K,) of drawing each class, from its number of pixels (K,); 0 for a class that is nowhere."""
    shares = pixels / pixels.sum()
    weights = np.exp(-shares / temperature) * (pixels > 0)  # the factor exp(1 / T) cancels
    return weights / weights.sum()


class RareClassSampling:
    """Index of a labelled data set's image by (position, seed).

    Args:
        dataset: a data set of this package with labels.
        temperature: T; small prefers rare classes strongly.
        min_share: images count for a class from this share of their pixels on; a class that no image shows so much
            of takes every image that shows it at all.
        cache: keep the counts in the user's cache folder (a few hundred kilobytes), so that labels are read only once,
            and again when the size or the time of a label file changes. Nothing is written beside the data.
        stream: number of the random stream.
    """

    def __init__(
        self,
        dataset: BaseDataset,
        temperature: float = 0.01,
        min_share: float = 0.0015,
        cache: bool = True,
        stream: int = 0,
    ) -> None:
        if temperature <= 0:
            raise ValueError(f'temperature={temperature} must be positive')
        counts = count_pixels(dataset, cache)  # N, K + 1: the last column is what is ignored
        pixels = counts[:, :-1]
        self.probabilities = class_probabilities(pixels.sum(axis=0), temperature)
        enough = pixels >= np.maximum(min_share * counts.sum(axis=1, keepdims=True), 1)
        self._images = [
            np.flatnonzero(enough[:, k] if enough[:, k].any() else pixels[:, k]) for k in range(pixels.shape[1])
        ]
        self._stream = stream

    def __call__(self, position: int, seed: int) -> int:
        """Index of the image at a position."""
        rng = np.random.default_rng((seed, self._stream, position, 1))
        return int(rng.choice(self._images[rng.choice(len(self.probabilities), p=self.probabilities)]))


def count_pixels(dataset: BaseDataset, cache: bool = True) -> np.ndarray:
    """Pixels of every class in every label file, (N, K + 1) int64; the last column counts ignored pixels."""
    samples = [dataset.get_data_info(i) for i in range(len(dataset))]
    if not all('seg_map_path' in sample and 'label_ids' in sample for sample in samples):
        raise DatasetError(f'rare-class sampling needs labels, and {type(dataset).__name__} has none that it can count')
    file = _cache_file(dataset, samples)
    versions = _versions(samples) if cache else np.empty(0)
    counts = _kept(file, versions) if cache else None
    if counts is None:
        print_log(f'counting the classes of {len(samples)} label files', logger='current')
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            count = partial(_count, classes=len(dataset.METAINFO['classes']))
            counts = np.stack(list(pool.map(count, samples)))
        if cache:
            _keep(file, counts, versions)
    return _choose_classes(counts, samples[0].get('label_map'))


def _cache_file(dataset: BaseDataset, samples: list[dict]) -> Path:
    """Where the counts of these label files are kept: one file for each choice of files, ids and classes."""
    lines = [f'{len(dataset.METAINFO["classes"])} classes']
    lines += [f'{osp.realpath(sample["seg_map_path"])} {sample["label_ids"]!r}' for sample in samples]
    digest = hashlib.sha256('\n'.join(lines).encode()).hexdigest()[:24]
    return files.cache_folder() / 'class_counts' / f'{digest}.npz'


def _versions(samples: list[dict]) -> np.ndarray:
    """Size in bytes and time of the last change in nanoseconds of each label file, (N, 2) int64."""
    try:
        states = [os.stat(sample['seg_map_path']) for sample in samples]
    except OSError as error:
        raise DatasetError(f'{error.filename} cannot be read: {error.strerror}') from error
    return np.array([(state.st_size, state.st_mtime_ns) for state in states], np.int64)


def _kept(file: Path, versions: np.ndarray) -> np.ndarray | None:
    """The counts that were kept, if they are of these versions of the label files."""
    if not file.is_file():
        return None
    try:
        with np.load(file) as kept:
            return kept['counts'] if np.array_equal(kept['versions'], versions) else None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        print_log(f'{file} cannot be read and is made anew: {error}', logger='current', level=logging.WARNING)
        return None


def _count(sample: dict, classes: int) -> np.ndarray:
    path = sample['seg_map_path']
    labels = read_labels(path, sample['label_ids'])
    counts = np.bincount(labels.ravel(), minlength=256)
    return np.append(counts[:classes], counts[IGNORE])


def _keep(file: Path, counts: np.ndarray, versions: np.ndarray) -> None:
    """Writes the counts whole or not at all; a folder that cannot be written to only costs the time to count again."""
    try:
        with files.whole_file(file) as part:
            np.savez(part, counts=counts, versions=versions)
    except OSError as error:
        print_log(f'class counts are not kept: {error}', logger='current', level=logging.WARNING)


def _choose_classes(counts: np.ndarray, label_map: dict | None) -> np.ndarray:
    """Counts by the classes that `metainfo` chose, in its order."""
    if label_map is None:
        return counts
    chosen = np.zeros((len(counts), max(v for v in label_map.values() if v != IGNORE) + 2), counts.dtype)
    for old, new in label_map.items():
        chosen[:, -1 if new == IGNORE else new] += counts[:, old]
    chosen[:, -1] += counts[:, -1]
    return chosen
