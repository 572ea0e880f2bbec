"""CamVid's layout and classes on drawn files, and 19-class scenes that are read with its eleven."""

import numpy as np
import pytest
import torch
from PIL import Image

from sw_mmseg.datasets import (
    CAMVID_CLASSES,
    CAMVID_DAY,
    CAMVID_DUSK,
    CLASSES,
    CamVidDataset,
    ClassMix,
    DatasetError,
    DomainPair,
    GTA5AsCamVid,
    Positioned,
    RandomNoise,
    RareClassSampling,
    UnlabelledCamVid,
    check_dataset,
)
from sw_mmseg.datasets.camvid_labels import CAMVID_PALETTE, cityscapes_to_camvid
from sw_mmseg.datasets.labels import ID
from sw_mmseg.datasets.positions import seeded

LOAD = [dict(type='LoadImage'), dict(type='LoadLabels'), dict(type='PackSegInputs')]
IMAGES = [dict(type='LoadImage'), dict(type='PackSegInputs')]
NAMES = {'train': ('0001TP_1', '0006R0_2', '0016E5_3'), 'test': ('0001TP_4', 'Seq05VD_5')}
# the README of the eleven-class form, written out: each of the 19 classes and its own
MAP = {
    'road': 'road',
    'sidewalk': 'sidewalk',
    'building': 'building',
    'wall': 'building',
    'fence': 'fence',
    'pole': 'pole',
    'traffic light': 'sign',
    'traffic sign': 'sign',
    'vegetation': 'tree',
    'terrain': 'tree',
    'sky': 'sky',
    'person': 'pedestrian',
    'rider': 'bicyclist',
    'car': 'car',
    'truck': 'car',
    'bus': 'car',
    'train': 'car',
    'motorcycle': 'bicyclist',
    'bicycle': 'bicyclist',
}


@pytest.fixture
def camvid(tmp_path, files):
    """Drawn photographs; the label of number n is class n, its first row void, and one pixel class 10."""
    for split, names in NAMES.items():
        for name in names:
            ids = np.full((4, 6), int(name[-1]))
            ids[0] = 11
            ids[1, 0] = 10
            files.grey(tmp_path / f'camvid/labels/{split}/{name}.png', ids)
            path = tmp_path / f'camvid/images/{split}/{name}.jpg'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new('RGB', (6, 4), (0, 0, 40 * int(name[-1]))).save(path)
    return tmp_path / 'camvid'


def stems(dataset):
    return [dataset.get_data_info(index)['img_path'].split('/')[-1].split('.')[0] for index in range(len(dataset))]


def test_the_table_has_eleven_classes_in_the_files_order():
    assert CAMVID_CLASSES == (
        'sky',
        'building',
        'pole',
        'road',
        'sidewalk',
        'tree',
        'sign',
        'fence',
        'car',
        'pedestrian',
        'bicyclist',
    )
    assert len({tuple(color) for color in CAMVID_PALETTE}) == 11 and CAMVID_PALETTE[3] == [128, 64, 128]
    names = {CLASSES[train_id]: CAMVID_CLASSES[number] for train_id, number in cityscapes_to_camvid().items()}
    assert names == MAP and list(cityscapes_to_camvid()) == list(range(19))


def test_ids_are_classes_and_void_is_ignored(camvid):
    data = CamVidDataset(str(camvid), pipeline=LOAD)
    check_dataset(data, decode=None)
    assert data.metainfo['classes'] == CAMVID_CLASSES and stems(data) == list(NAMES['train'])
    for index in range(3):
        labels = data[index]['data_samples'].gt_sem_seg.data[0].numpy()
        assert (labels[0] == 255).all() and labels[1, 0] == 10 and (labels[2:] == index + 1).all()


def test_sequences_are_day_and_dusk(camvid):
    for sequences, train, test in (
        (CAMVID_DAY, ['0006R0_2', '0016E5_3'], ['Seq05VD_5']),
        (CAMVID_DUSK, ['0001TP_1'], ['0001TP_4']),
    ):
        for split, names in (('train', train), ('test', test)):
            assert stems(CamVidDataset(str(camvid), split, sequences, pipeline=LOAD)) == names
            target = UnlabelledCamVid(str(camvid), split, sequences, pipeline=IMAGES)
            assert stems(target) == names and 'gt_sem_seg' not in target[0]['data_samples']
            assert target.metainfo['classes'] == CAMVID_CLASSES
    with pytest.raises(DatasetError, match='no name in .*images/test begins with 0016E5'):
        CamVidDataset(str(camvid), 'test', ['0016E5'])


def test_photographs_may_be_png(camvid, files):
    files.picture(camvid / 'images/test/Seq05VD_7.png', 7)
    files.grey(camvid / 'labels/test/Seq05VD_7.png', np.full((4, 6), 7))
    data = CamVidDataset(str(camvid), 'test', CAMVID_DAY, pipeline=LOAD)
    assert stems(data) == ['Seq05VD_5', 'Seq05VD_7']
    assert [int(data[index]['data_samples'].gt_sem_seg.data[0, 3, 3]) for index in range(2)] == [5, 7]


def test_what_is_wrong_is_said(camvid, files, tmp_path):
    files.grey(camvid / 'labels/train/0006R0_2.png', np.full((4, 6), 12))
    with pytest.raises(DatasetError, match=r'unknown ids \[12\]; expected ids 0 to 10 and 11 for void'):
        check_dataset(dict(type='CamVidDataset', data_root=str(camvid), pipeline=LOAD))
    with pytest.raises(DatasetError, match=r'nowhere is missing(.|\n)*labels/train/NAME\.png(.|\n)*data/README\.md'):
        CamVidDataset(str(tmp_path / 'nowhere'))
    (camvid / 'labels/test/0001TP_4.png').unlink()
    with pytest.raises(DatasetError, match='1 of 2 pictures have no label file'):
        check_dataset(dict(type='CamVidDataset', data_root=str(camvid), split='test', pipeline=LOAD))
    with pytest.raises(ValueError, match="split='dusk'; valid are train, val, test"):
        CamVidDataset(str(camvid), 'dusk')


@pytest.fixture
def scenes(tmp_path, files):
    """Two scenes with raw ids: every one of the 19 classes and what is none in the first, road alone in the second."""
    raw = [ID[name] for name in CLASSES] + [ID['parking']]
    files.picture(tmp_path / 'gta5/images/00001.png', 1, (20, 4))
    files.paletted(tmp_path / 'gta5/labels/00001.png', np.tile(raw, (4, 1)))
    files.picture(tmp_path / 'gta5/images/00002.png', 2, (20, 4))
    files.paletted(tmp_path / 'gta5/labels/00002.png', np.full((4, 20), ID['road']))
    return tmp_path / 'gta5'


def test_nineteen_classes_are_read_as_eleven(scenes, camvid):
    data = GTA5AsCamVid(str(scenes), pipeline=LOAD)
    check_dataset(data, decode=None)
    expected = [CAMVID_CLASSES.index(MAP[name]) for name in CLASSES] + [255]
    assert data[0]['data_samples'].gt_sem_seg.data[0, 2].tolist() == expected
    assert data.metainfo['classes'] == CAMVID_CLASSES and data.metainfo['palette'] == CAMVID_PALETTE
    pair = DomainPair(data, UnlabelledCamVid(str(camvid), pipeline=IMAGES))
    assert pair.metainfo['classes'] == CAMVID_CLASSES
    with pytest.raises(TypeError, match='takes no `metainfo`'):
        GTA5AsCamVid(str(scenes), metainfo=dict(classes=('road',)))


def test_rare_classes_are_counted_as_they_train(scenes):
    """Road has 4 + 80 of 156 labelled pixels; a class of two of the 19 has 8; the second scene has road alone."""
    for dataset in (GTA5AsCamVid(str(scenes), pipeline=LOAD), ClassMix(GTA5AsCamVid(str(scenes), pipeline=LOAD))):
        sampling = RareClassSampling(dataset, temperature=0.1, cache=False)
        share = np.array([4, 8, 4, 84, 4, 8, 8, 4, 16, 4, 12]) / 156
        expected = np.exp(-share / 0.1) / np.exp(-share / 0.1).sum()
        np.testing.assert_allclose(sampling.probabilities, expected, rtol=1e-12)
        assert np.mean([sampling(position, 0) for position in range(200)]) < 0.05


class TestClassMix:
    def test_half_of_the_others_classes_come_with_their_pixels_and_labels(self, scenes):
        data = GTA5AsCamVid(str(scenes), pipeline=LOAD)
        mixed, pasted = ClassMix(data, prob=1.0), []
        for seed in range(30):
            with seeded(seed):
                sample = mixed[1]  # road alone
            labels, image = sample['data_samples'].gt_sem_seg.data[0], sample['inputs']
            original = data[0]['data_samples'].gt_sem_seg.data[0]
            taken = image[0] != data[1]['inputs'][0]  # blue is the number
            if not taken.any():
                continue  # its own partner
            assert torch.equal(labels[taken], original[taken]) and (labels[~taken] == 3).all()
            assert torch.equal(image[:, taken], data[0]['inputs'][:, taken])
            classes = set(original[taken].tolist())
            assert len(classes) == 6 and 255 not in classes  # of eleven, rounded up
            assert all((taken == (original == number))[original == number].all() for number in classes)
            pasted.append(frozenset(classes))
        assert len(set(pasted)) > 5

    def test_it_is_a_data_set_that_positions_and_checks_know(self, scenes):
        config = dict(type='ClassMix', dataset=dict(type='GTA5AsCamVid', data_root=str(scenes), pipeline=LOAD))
        check_dataset(dict(type='Positioned', dataset=config), decode=None)
        stream = Positioned(config, seed=3)
        assert len(stream) == 2 and stream.metainfo['classes'] == CAMVID_CLASSES
        for position in range(2):
            one, other = stream[position], stream[position]
            assert torch.equal(one['inputs'], other['inputs'])
        never = ClassMix(config['dataset'], prob=0.0)
        assert torch.equal(never[1]['inputs'], never.dataset[1]['inputs'])

    def test_clear_errors(self, scenes, files):
        with pytest.raises(ValueError, match='prob=2 must lie between 0 and 1'):
            ClassMix(GTA5AsCamVid(str(scenes), pipeline=LOAD), prob=2)
        files.picture(scenes / 'images/00002.png', 2, (6, 4))
        files.paletted(scenes / 'labels/00002.png', np.full((4, 6), ID['road']))
        mixed = ClassMix(GTA5AsCamVid(str(scenes), pipeline=LOAD), prob=1.0)
        with pytest.raises(DatasetError, match=r'one size, not \(3, 4, \d+\) and \(3, 4, \d+\)'):
            for index in range(20):
                mixed[index % 2]


def test_noise_has_the_deviation_it_says():
    image = np.full((200, 300, 3), 120, np.uint8)
    for grey in (0.0, 0.5, 1.0):
        noisy = RandomNoise(1.0, (6.0, 6.0), grey).transform({'img': image.copy()})['img']
        assert noisy.dtype == np.uint8
        noise = noisy.astype(float) - 120
        assert abs(noise.std() - 6) < 0.1 and abs(noise.mean()) < 0.1
        assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1] - grey) < 0.03
    assert RandomNoise(0.0).transform({'img': image})['img'] is image
    with pytest.raises(ValueError, match='ascending range'):
        RandomNoise(deviation=(3.0, 2.0))
