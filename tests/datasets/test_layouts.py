"""GTA5, Cityscapes and unlabelled folders as they lie on disk, and what is said when they do not."""

import shutil

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from sw_mmseg.datasets import DatasetError, GTA5Dataset, RawCityscapesDataset, UnlabelledImages

LOAD = [dict(type='LoadImage'), dict(type='LoadLabels'), dict(type='PackSegInputs')]


def test_gta5_maps_ids_on_the_fly(gta5):
    data = GTA5Dataset(str(gta5), pipeline=LOAD)
    assert len(data) == 7 and data.metainfo['classes'][13] == 'car'
    for i, expected in enumerate((2, 3, 4, 255, 255, 255, 5)):  # raw ids 11 to 17
        item = data[i]
        assert item['inputs'].shape == (3, 4, 6) and (item['inputs'][0] == i + 1).all()
        labels = item['data_samples'].gt_sem_seg.data
        assert (labels[0, 0] == expected).all() and (labels[0, 1:] == 0).all()


def test_gta5_split_is_a_list(gta5, monkeypatch):
    (gta5 / 'train.txt').write_text('00005.png\n00002\n')
    data = GTA5Dataset(str(gta5), split='train.txt')
    assert [data.get_data_info(i)['img_path'][-9:] for i in range(len(data))] == ['00002.png', '00005.png']
    (gta5 / 'train.txt').write_text('00099\n')
    with pytest.raises(DatasetError, match=r'1 of them are not in .*00099\.png'):
        GTA5Dataset(str(gta5), split='train.txt')
    with pytest.raises(DatasetError, match=r'absent\.txt is missing'):
        GTA5Dataset(str(gta5), split='absent.txt')
    savemat(gta5 / 'split.mat', dict(trainIds=[[1], [3]], valIds=[[4]], testIds=[[6], [7]]))
    with pytest.raises(DatasetError, match='This writes train.txt') as error:
        GTA5Dataset(str(gta5), split='split.mat')
    monkeypatch.chdir(gta5)
    code = str(error.value).split('python -c "')[1].rstrip('"')
    exec(code, {})  # what the message tells the user to run
    assert len(GTA5Dataset(str(gta5), split='train.txt')) == 2
    assert (gta5 / 'test.txt').read_text() == '00006\n00007\n'


@pytest.mark.parametrize('lost', ['', 'images', 'labels'])
def test_gta5_missing_folders_say_where_to_get_it(gta5, lost):
    shutil.rmtree(gta5 / lost)
    with pytest.raises(DatasetError) as error:
        GTA5Dataset(str(gta5))
    assert str(gta5 / lost).rstrip('/') in str(error.value)
    assert 'images/00001.png' in str(error.value) and 'https://' in str(error.value)


def test_missing_streets_say_how_to_make_them(tmp_path):
    with pytest.raises(DatasetError, match=rf'converters/streets\.py {tmp_path}/streets$'):
        GTA5Dataset(str(tmp_path / 'streets/varied/gta5'))


def test_a_folder_without_pictures_is_named(gta5):
    for path in (gta5 / 'images').iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r'no \*\.png in .*images'):
        GTA5Dataset(str(gta5))


def test_cityscapes_raw_and_converted(cityscapes, files):
    raw = RawCityscapesDataset(str(cityscapes), split='val', pipeline=LOAD)
    assert len(raw) == 2 and (raw[0]['data_samples'].gt_sem_seg.data == 13).all()
    for path in cityscapes.rglob('*_labelIds.png'):
        files.grey(path.with_name(path.name.replace('labelIds', 'labelTrainIds')), np.full((4, 6), 18))
    converted = RawCityscapesDataset(str(cityscapes), label_ids='train', pipeline=LOAD)
    assert len(converted) == 5 and (converted[4]['data_samples'].gt_sem_seg.data == 18).all()
    assert 'bochum' in converted[4]['data_samples'].img_path  # sorted by city


def test_cityscapes_options_are_checked(cityscapes):
    with pytest.raises(ValueError, match='raw, train'):
        RawCityscapesDataset(str(cityscapes), label_ids='trainIds')
    with pytest.raises(ValueError, match='train, val, test'):
        RawCityscapesDataset(str(cityscapes), split='validation')
    with pytest.raises(TypeError, match='piepline'):
        RawCityscapesDataset(str(cityscapes), piepline=[])
    with pytest.raises(DatasetError, match='cityscapes-dataset.com'):
        RawCityscapesDataset(str(cityscapes / 'gtFine'))


def test_unlabelled_takes_any_tree(tmp_path, files):
    files.picture(tmp_path / 'a/b/c.png', 1)
    files.picture(tmp_path / 'z.png', 2)
    Image.new('RGB', (6, 4)).save(tmp_path / 'a/photo.JPG')
    (tmp_path / 'a/readme.txt').write_text('no picture')
    data = UnlabelledImages(str(tmp_path), pipeline=[dict(type='LoadImage'), dict(type='PackSegInputs')])
    names = [data.get_data_info(i)['img_path'].removeprefix(f'{tmp_path}/') for i in range(len(data))]
    assert names == ['a/b/c.png', 'a/photo.JPG', 'z.png']
    assert all('gt_sem_seg' not in data[i]['data_samples'] for i in range(3))
    assert all('seg_map_path' not in data.get_data_info(i) for i in range(3))


@pytest.mark.parametrize(
    'beside, refused',
    [('0_depth.png', False), ('1_labelIds.png', False), ('0_labelIds.png', True), ('0_leftImg8bit.png', True)],
)
def test_photographs_may_be_called_color(files, tmp_path, beside, refused):
    for name in ('0_color.png', beside):
        files.picture(tmp_path / name, 1)
    arguments = {'data_root': str(tmp_path), 'leave_out': [beside]}
    if refused:
        with pytest.raises(DatasetError, match=r'0_color\.png is an annotation'):
            UnlabelledImages(**arguments)
    else:
        assert UnlabelledImages(**arguments).get_data_info(0)['img_path'] == str(tmp_path / '0_color.png')


def test_unlabelled_refuses_annotations_and_empty_folders(cityscapes):
    with pytest.raises(DatasetError, match='is an annotation.*leftImg8bit/train'):
        UnlabelledImages(str(cityscapes))
    assert len(UnlabelledImages(str(cityscapes), img_suffix='_leftImg8bit.png')) == 7
    with pytest.raises(DatasetError, match=r'no file in .* ends with \.webp'):
        UnlabelledImages(str(cityscapes), img_suffix='.webp')
    with pytest.raises(DatasetError, match='folder .*nowhere is missing'):
        UnlabelledImages(str(cityscapes), img_dir='nowhere')
    with pytest.raises(TypeError, match='img_dir'):
        UnlabelledImages(str(cityscapes), data_prefix=dict(img_path='leftImg8bit'))
