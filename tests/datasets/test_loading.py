"""Reading label files: palette indices, unknown ids, colour files, broken files, sizes that differ."""

import cv2
import numpy as np
import pytest
from PIL import Image

from sw_mmseg.datasets import DatasetError, LoadImage, LoadLabels
from sw_mmseg.datasets.loading import read_label_file

IDS = np.array([[0, 7, 8, 34], [26, 33, 4, 23]])
TRAIN_IDS = np.array([[255, 0, 1, 255], [13, 18, 255, 10]])


def load(path, **options):
    sample = dict(img_path='picture.png', seg_map_path=str(path), seg_fields=[], label_ids='raw')
    sample.update({key: options.pop(key) for key in ('label_ids', 'ori_shape', 'label_map') if key in options})
    return LoadLabels(**options)(sample)['gt_seg_map']


def test_a_paletted_file_gives_indices_not_colours(tmp_path, files):
    files.paletted(tmp_path / 'label.png', IDS)
    assert cv2.imread(str(tmp_path / 'label.png'), cv2.IMREAD_UNCHANGED).ndim == 3  # what a colour reader makes of it
    np.testing.assert_array_equal(read_label_file(str(tmp_path / 'label.png')), IDS)
    np.testing.assert_array_equal(load(tmp_path / 'label.png'), TRAIN_IDS)


def test_a_grey_file_gives_the_same(tmp_path, files):
    files.grey(tmp_path / 'label.png', IDS)
    np.testing.assert_array_equal(load(tmp_path / 'label.png'), TRAIN_IDS)


@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'I;16', '1'])
def test_a_file_without_ids_is_named(tmp_path, mode):
    Image.new(mode, (4, 2)).save(tmp_path / 'label.png')
    with pytest.raises(DatasetError, match=r'label\.png holds .* pixels, not ids'):
        load(tmp_path / 'label.png')


@pytest.mark.parametrize(
    ('ids', 'bad', 'hint'),
    [('raw', 255, 'label_ids="train"'), ('raw', 35, 'raw ids 0 to 34'), ('train', 34, 'label_ids="raw"')],
)
def test_an_unknown_id_is_named_with_its_file(tmp_path, ids, bad, hint, files):
    files.grey(tmp_path / 'label.png', np.array([[7, bad]]))
    with pytest.raises(DatasetError) as error:
        load(tmp_path / 'label.png', label_ids=ids)
    assert 'label.png' in str(error.value) and f'[{bad}]' in str(error.value) and hint in str(error.value)


def test_train_ids_pass_unchanged(tmp_path, files):
    files.grey(tmp_path / 'label.png', TRAIN_IDS)
    np.testing.assert_array_equal(load(tmp_path / 'label.png', label_ids='train'), TRAIN_IDS)


def test_a_choice_of_classes_is_renumbered(tmp_path, files):
    files.grey(tmp_path / 'label.png', IDS)
    label_map = {k: {0: 1, 13: 0}.get(k, 255) for k in range(19)}  # car first, road second
    expected = [[255, 1, 255, 255], [0, 255, 255, 255]]
    np.testing.assert_array_equal(load(tmp_path / 'label.png', label_map=label_map), expected)


def test_sizes_that_differ_are_an_error_or_resized(tmp_path, files):
    files.paletted(tmp_path / 'label.png', IDS)
    with pytest.raises(DatasetError, match=r'label\.png is 4x2, its image picture\.png 8x4.*mismatch="resize"'):
        load(tmp_path / 'label.png', ori_shape=(4, 8))
    resized = load(tmp_path / 'label.png', ori_shape=(4, 8), mismatch='resize')
    np.testing.assert_array_equal(resized, TRAIN_IDS.repeat(2, 0).repeat(2, 1))
    with pytest.raises(ValueError, match='error, resize'):
        LoadLabels(mismatch='crop')


def test_a_broken_or_missing_file_is_named(tmp_path, files):
    rng = np.random.default_rng(0)
    files.grey(tmp_path / 'label.png', rng.integers(0, 34, (64, 64)))
    whole = (tmp_path / 'label.png').read_bytes()
    (tmp_path / 'label.png').write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r'label\.png cannot be read'):
        load(tmp_path / 'label.png')
    with pytest.raises(DatasetError, match=r'lost\.png is missing'):
        load(tmp_path / 'lost.png')


def test_a_broken_or_missing_picture_is_named(tmp_path, files):
    files.picture(tmp_path / 'picture.png', 3, (64, 64))
    sample = LoadImage()(dict(img_path=str(tmp_path / 'picture.png')))
    assert sample['img'].shape == (64, 64, 3) and sample['ori_shape'] == (64, 64)
    assert (sample['img'][..., 0] == 3).all()  # BGR, as mmseg expects
    whole = (tmp_path / 'picture.png').read_bytes()
    for broken in (whole[: len(whole) // 2], b'', b'not a picture'):
        (tmp_path / 'picture.png').write_bytes(broken)
        with pytest.raises(DatasetError, match=r'picture\.png cannot be read'):
            LoadImage()(dict(img_path=str(tmp_path / 'picture.png')))
    with pytest.raises(DatasetError, match=r'lost\.png is missing'):
        LoadImage()(dict(img_path=str(tmp_path / 'lost.png')))


def test_labels_of_a_set_without_labels_are_refused():
    with pytest.raises(DatasetError, match='without labels'):
        LoadLabels()(dict(img_path='picture.png', seg_fields=[]))
