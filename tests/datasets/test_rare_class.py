"""Rare-class sampling against probabilities and counts worked out by hand."""

import math
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from sw_mmseg.datasets import (
    DatasetError,
    GTA5Dataset,
    LabelledImages,
    Positioned,
    RareClassSampling,
    UnlabelledImages,
)
from sw_mmseg.datasets.positions import Position
from sw_mmseg.datasets.rare_class import class_probabilities, count_pixels
from sw_mmseg.files import cache_folder


@pytest.fixture
def kept(monkeypatch, tmp_path_factory):
    """A cache folder of its own: the files in it, hidden ones too."""
    folder = tmp_path_factory.mktemp('cache')
    monkeypatch.setattr('sw_mmseg.files.cache_folder', lambda: folder)
    return lambda: sorted(path for path in folder.rglob('*') if path.is_file())


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


def test_counts_are_kept_and_belong_to_their_files(gta5, kept):
    first = count_pixels(GTA5Dataset(str(gta5)))
    assert len(kept()) == 1 and kept()[0].suffix == '.npz'  # and no part of one
    for path in (gta5 / 'labels').iterdir():  # whoever reads these again fails
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        path.write_bytes(bytes(path.stat().st_size))
        os.utime(path, ns=times)
    np.testing.assert_array_equal(count_pixels(GTA5Dataset(str(gta5))), first)
    (gta5 / 'few.txt').write_text('00001\n00002\n')
    with pytest.raises(DatasetError, match='cannot be read'):
        count_pixels(GTA5Dataset(str(gta5), split='few.txt'))


@pytest.mark.parametrize('same', ['size', 'time'])
def test_corrected_labels_are_counted_again(same, gta5, files, kept):
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
    assert len(kept()) == 1  # in place of the old ones


def test_a_cache_that_is_broken_or_cannot_be_written_costs_only_time(gta5, monkeypatch, kept):
    first = count_pixels(GTA5Dataset(str(gta5)))
    (file,) = kept()
    for content in (b'', b'PK nothing', file.read_bytes()[:100]):
        file.write_bytes(content)
        np.testing.assert_array_equal(count_pixels(GTA5Dataset(str(gta5))), first)
    file.unlink()
    monkeypatch.setattr(os, 'replace', lambda *_: (_ for _ in ()).throw(PermissionError('read-only')))
    np.testing.assert_array_equal(count_pixels(GTA5Dataset(str(gta5))), first)
    assert not kept()


def test_nothing_is_written_beside_the_data(gta5, kept):
    """Data may be read-only, and are not ours."""
    before = {path: path.stat().st_mtime_ns for path in (gta5, *gta5.rglob('*'))}
    RareClassSampling(GTA5Dataset(str(gta5)))
    assert kept() and {path: path.stat().st_mtime_ns for path in (gta5, *gta5.rglob('*'))} == before


def test_counts_belong_to_the_place_of_the_data_and_to_the_meaning_of_their_ids(gta5, kept, tmp_path):
    """Two copies of a data set, and one read by another table, do not take each other's counts."""
    first = count_pixels(GTA5Dataset(str(gta5)))
    copy = tmp_path / 'copy'
    shutil.copytree(gta5, copy)  # times and sizes are the same
    file = copy / 'labels/00001.png'
    state, content = file.stat(), (copy / 'labels/00002.png').read_bytes()
    file.write_bytes(content + bytes(max(0, state.st_size - len(content))))
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert file.stat().st_size == state.st_size
    again = count_pixels(GTA5Dataset(str(copy)))
    assert not np.array_equal(again[0], first[0]) and np.array_equal(again[1:], first[1:]) and len(kept()) == 2
    for path in (gta5 / 'labels').iterdir():
        Image.fromarray(np.zeros((4, 6), np.uint8)).save(path)
    tables = [{'classes': {'road': [0], 'car': [1]}}, {'classes': {'car': [1], 'road': [0]}}]
    counts = [count_pixels(LabelledImages(str(gta5 / 'images'), str(gta5 / 'labels'), table)) for table in tables]
    assert counts[0][0].tolist() == [24, 0, 0] and counts[1][0].tolist() == [0, 24, 0] and len(kept()) == 4


def test_the_cache_folder_is_the_users(monkeypatch, tmp_path):
    for name in ('SW_MMSEG_CACHE', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('HOME', str(tmp_path))
    assert cache_folder() == tmp_path / '.cache/sw_mmseg'
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    assert cache_folder() == tmp_path / 'xdg/sw_mmseg'
    monkeypatch.setenv('XDG_CACHE_HOME', 'relative')  # which the specification tells to leave aside
    assert cache_folder() == tmp_path / '.cache/sw_mmseg'
    monkeypatch.setenv('SW_MMSEG_CACHE', str(tmp_path / 'mine'))
    assert cache_folder() == tmp_path / 'mine'


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
