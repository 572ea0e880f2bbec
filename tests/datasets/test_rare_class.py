"""Rare-class sampling against probabilities and counts worked out by hand."""

import math
import os

import numpy as np
import pytest

from sw_mmseg.datasets import DatasetError, GTA5Dataset, Positioned, RareClassSampling, UnlabelledImages
from sw_mmseg.datasets.positions import Position
from sw_mmseg.datasets.rare_class import class_probabilities, count_pixels


def test_probabilities_follow_daformer():
    # shares 0.5, 0.25, 0.25, and a class that is nowhere; T = 0.25: exp((1 - f) / T) = e^2, e^3, e^3
    expected = np.array([math.exp(2), math.exp(3), math.exp(3), 0]) / (math.exp(2) + 2 * math.exp(3))
    np.testing.assert_allclose(class_probabilities(np.array([4, 2, 2, 0]), 0.25), expected, rtol=1e-12)


def test_small_temperatures_do_not_overflow():
    probabilities = class_probabilities(np.array([999, 1]), 1e-4)
    assert np.isfinite(probabilities).all() and probabilities[1] > 0.999


def test_pixels_are_counted_by_class(gta5):
    # the rows of 6 pixels: raw 11, 12, 13, 17 are building, wall, fence, pole; 14, 15, 16 are ignored; the rest is road
    counts = count_pixels(GTA5Dataset(str(gta5)))
    assert counts.shape == (7, 20)
    assert (counts[:, 0] == 18).all() and counts[:, -1].tolist() == [0, 0, 0, 6, 6, 6, 0]
    assert [counts[i, k] for i, k in ((0, 2), (1, 3), (2, 4), (6, 5))] == [6] * 4


def test_a_rare_class_brings_its_pictures(gta5):
    data = GTA5Dataset(str(gta5))
    sampling = RareClassSampling(data, temperature=0.02)
    drawn = [sampling(p, seed=0) for p in range(400)]
    assert drawn == [sampling(p, seed=0) for p in range(400)]
    assert drawn != [sampling(p, seed=1) for p in range(400)]
    # f = 126/150 for road and 6/150 for each of four classes, so road is never drawn at T = 0.02: only pictures with
    # one of the four are, each a quarter of the time
    shares = np.bincount(drawn, minlength=7) / 400
    np.testing.assert_allclose(shares, [0.25, 0.25, 0.25, 0, 0, 0, 0.25], atol=0.07)


def test_min_share_leaves_out_pictures_with_too_little(gta5, files):
    ids = np.full((4, 6), 7)
    ids[0, 0] = 26  # one pixel of a car in picture 4, a row of cars in picture 5
    files.paletted(gta5 / 'labels/00004.png', ids)
    ids[1] = 26
    files.paletted(gta5 / 'labels/00005.png', ids)
    sampling = RareClassSampling(GTA5Dataset(str(gta5)), min_share=0.1, cache=False)
    assert sampling._images[13].tolist() == [4]
    assert RareClassSampling(GTA5Dataset(str(gta5)), min_share=0.01, cache=False)._images[13].tolist() == [3, 4]
    assert RareClassSampling(GTA5Dataset(str(gta5)), min_share=0.5, cache=False)._images[13].tolist() == [3, 4]


def test_counts_are_kept_and_belong_to_their_files(gta5):
    first = count_pixels(GTA5Dataset(str(gta5)))
    assert len(list(gta5.glob('.*'))) == len(list(gta5.glob('.class_counts_*.npz'))) == 1  # and no part of one
    for path in (gta5 / 'labels').iterdir():  # whoever reads these again fails
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        path.write_bytes(bytes(path.stat().st_size))
        os.utime(path, ns=times)
    np.testing.assert_array_equal(count_pixels(GTA5Dataset(str(gta5))), first)
    (gta5 / 'few.txt').write_text('00001\n00002\n')
    with pytest.raises(DatasetError, match='cannot be read'):
        count_pixels(GTA5Dataset(str(gta5), split='few.txt'))


@pytest.mark.parametrize('same', ['size', 'time'])
def test_corrected_labels_are_counted_again(same, gta5, files):
    """A file of another size or another time is another file, whatever its name."""
    first, file = count_pixels(GTA5Dataset(str(gta5))), gta5 / 'labels/00001.png'
    state = file.stat()
    ids = np.full((4, 6), 7)
    ids[0] = 26
    files.paletted(file, ids)  # a row of building becomes one of cars
    if same == 'time':
        file.write_bytes(file.read_bytes() + b' ')  # behind the end of a PNG
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
        assert file.stat().st_mtime_ns == state.st_mtime_ns and file.stat().st_size != state.st_size
    else:
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    again = count_pixels(GTA5Dataset(str(gta5)))
    assert (first[0, 2], first[0, 13]) == (6, 0) and (again[0, 2], again[0, 13]) == (0, 6)
    np.testing.assert_array_equal(again[1:], first[1:])
    np.testing.assert_array_equal(count_pixels(GTA5Dataset(str(gta5))), again)
    assert len(list(gta5.glob('.class_counts_*'))) == 1  # in place of the old ones


def test_a_cache_that_is_broken_or_cannot_be_written_costs_only_time(gta5, monkeypatch):
    first = count_pixels(GTA5Dataset(str(gta5)))
    kept, = gta5.glob('.class_counts_*.npz')
    for content in (b'', b'PK nothing', kept.read_bytes()[:100]):
        kept.write_bytes(content)
        np.testing.assert_array_equal(count_pixels(GTA5Dataset(str(gta5))), first)
    kept.unlink()
    monkeypatch.setattr(os, 'replace', lambda *_: (_ for _ in ()).throw(PermissionError('read-only')))
    np.testing.assert_array_equal(count_pixels(GTA5Dataset(str(gta5))), first)
    assert not list(gta5.glob('.class_counts_*'))


def test_a_label_file_that_is_gone_is_named(gta5):
    data = GTA5Dataset(str(gta5))
    (gta5 / 'labels/00003.png').unlink()
    with pytest.raises(DatasetError, match=r'00003\.png cannot be read'):
        count_pixels(data)


def test_it_needs_labels_and_a_positive_temperature(gta5):
    with pytest.raises(DatasetError, match='needs labels'):
        RareClassSampling(UnlabelledImages(str(gta5 / 'images')))
    with pytest.raises(ValueError, match='temperature=0'):
        RareClassSampling(GTA5Dataset(str(gta5)), temperature=0)


def test_it_is_an_option_of_a_stream(gta5):
    pipeline = [dict(type='LoadImage'), dict(type='LoadLabels'), dict(type='PackSegInputs')]
    source = dict(type='GTA5Dataset', data_root=str(gta5), pipeline=pipeline)
    data = Positioned(source, seed=0, rare_class_sampling=dict(temperature=0.02))
    seen = {data[Position(p, 0)]['data_samples'].img_path[-9:] for p in range(40)}
    assert seen == {'00001.png', '00002.png', '00003.png', '00007.png'}
    with pytest.raises(TypeError, match='temprature'):
        Positioned(source, rare_class_sampling=dict(temprature=0.1))
