"""What is wrong with a data set is said before training: one error, with the path and the way out."""

import numpy as np
import pytest

from sw_mmseg.datasets import DatasetError, check_dataset

LOAD = [dict(type='LoadImage'), dict(type='LoadLabels'), dict(type='PackSegInputs')]


@pytest.fixture
def source(gta5) -> dict:
    return dict(type='GTA5Dataset', data_root=str(gta5), pipeline=LOAD)


@pytest.fixture
def target(cityscapes) -> dict:
    pipeline = [LOAD[0], LOAD[2]]
    return dict(type='UnlabelledImages', data_root=str(cityscapes), img_dir='leftImg8bit/train', pipeline=pipeline)


def test_sound_sets_pass(source, target, cityscapes):
    check_dataset(source)
    check_dataset(target)
    check_dataset(dict(type='Positioned', dataset=source), decode=None)
    check_dataset(dict(type='DomainPair', source=source, target=target))
    check_dataset(dict(type='RawCityscapesDataset', data_root=str(cityscapes), split='val', pipeline=LOAD))


def test_a_picture_without_label_is_named(source, gta5):
    (gta5 / 'labels/00003.png').unlink()
    with pytest.raises(DatasetError, match=r'1 of 7 pictures have no label file, the first is .*labels/00003\.png'):
        check_dataset(source, decode=1)


def test_the_other_kind_of_label_files_is_pointed_to(cityscapes):
    data = dict(type='RawCityscapesDataset', data_root=str(cityscapes), label_ids='train', pipeline=LOAD)
    with pytest.raises(DatasetError, match=r"\*_gtFine_labelIds\.png are there: read them with label_ids='raw'"):
        check_dataset(data)


@pytest.mark.parametrize('folder', ['images', 'labels'])
@pytest.mark.parametrize('wrapped', [False, True])
def test_a_broken_file_is_found(source, target, gta5, folder, wrapped):
    path = gta5 / folder / '00004.png'
    path.write_bytes(path.read_bytes()[:40])
    data = dict(type='DomainPair', source=source, target=target) if wrapped else source
    with pytest.raises(DatasetError, match=rf'{folder}/00004\.png cannot be read'):
        check_dataset(data)


def test_a_broken_target_picture_is_found(source, target, cityscapes):
    path = sorted(cityscapes.glob('leftImg8bit/train/*/*'))[2]
    path.write_bytes(b'\x89PNG')
    with pytest.raises(DatasetError, match=path.name):
        check_dataset(dict(type='DomainPair', source=source, target=target))


def test_decode_limits_what_is_read(source, gta5):
    path = gta5 / 'images/00004.png'  # neither the first nor the last
    path.write_bytes(b'')
    check_dataset(source, decode=2)
    with pytest.raises(DatasetError):
        check_dataset(source, decode=None)


def test_sizes_that_differ_are_found_unless_resized(source, gta5, files):
    files.picture(gta5 / 'images/00002.png', 2, (12, 8))
    with pytest.raises(DatasetError, match=r'labels/00002\.png is 6x4, its image .* 12x8'):
        check_dataset(source)
    source['pipeline'] = [LOAD[0], dict(type='LoadLabels', mismatch='resize'), LOAD[2]]
    check_dataset(source)


def test_an_unknown_id_is_found(source, gta5, files):
    files.paletted(gta5 / 'labels/00001.png', np.full((4, 6), 77))
    with pytest.raises(DatasetError, match=r'00001\.png holds unknown ids \[77\]'):
        check_dataset(source)


def test_a_target_pipeline_that_loads_labels_is_refused(source, target):
    target['pipeline'] = LOAD
    with pytest.raises(DatasetError, match="target's pipeline loads labels"):
        check_dataset(dict(type='DomainPair', source=source, target=target))


def test_sets_from_elsewhere_pass_for_what_is_known(cityscapes):
    for path in list(cityscapes.rglob('*_labelIds.png')):
        path.rename(path.with_name(path.name.replace('labelIds', 'labelTrainIds')))
    prefix = dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train')
    data = dict(type='CityscapesDataset', data_root=str(cityscapes), data_prefix=prefix, pipeline=[])
    check_dataset(data)
    next(cityscapes.glob('gtFine/train/*/*')).unlink()
    with pytest.raises(DatasetError, match='1 of 5 pictures have no label file'):
        check_dataset(data)
