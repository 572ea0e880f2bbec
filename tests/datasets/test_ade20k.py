"""ADE20K's layout: ids + 1 on disk, 150 classes, what is said when it is not there; streets written in that layout."""

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.datasets import ADE20KDataset
from PIL import Image

from sw_mmseg.datasets import DatasetError, FoldersADE20K, RandomBlur, RareClassSampling, check_dataset
from sw_mmseg.datasets.labels import ID
from sw_mmseg.datasets.streets import generate_streets, write_ade20k

LOAD = [dict(type='LoadImage'), dict(type='LoadLabels'), dict(type='PackSegInputs')]
CONFIGS = Path(__file__).parents[2] / 'configs/_base_/datasets'


@pytest.fixture
def ade20k(tmp_path, files):
    """Three pictures to train and one to validate on; picture n is of id n, but for a pixel of other and one of 150."""
    for split, count in (('training', 3), ('validation', 1)):
        for n in range(1, count + 1):
            ids = np.full((4, 6), n)
            ids[0, :2] = 0, 150
            files.grey(tmp_path / f'ade/annotations/{split}/ADE_x_{n:08d}.png', ids)
            path = tmp_path / f'ade/images/{split}/ADE_x_{n:08d}.jpg'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new('RGB', (6, 4), (0, 0, n)).save(path)
    return tmp_path / 'ade'


def test_ids_are_classes_plus_one_and_zero_is_ignored(ade20k):
    data = FoldersADE20K(str(ade20k), pipeline=LOAD)
    assert len(data) == 3 and len(data.metainfo['classes']) == len(data.metainfo['palette']) == 150
    assert data.metainfo['classes'][:3] == ('wall', 'building', 'sky') and data.metainfo['classes'][149] == 'flag'
    for index in range(3):
        labels = data[index]['data_samples'].gt_sem_seg.data[0].numpy()
        assert list(labels[0, :2]) == [255, 149] and (labels[1:] == index).all()
    # mmseg's own data set makes the same of the same files
    theirs = ADE20KDataset(
        data_root=str(ade20k),
        data_prefix=dict(img_path='images/training', seg_map_path='annotations/training'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', reduce_zero_label=True),
            dict(type='PackSegInputs'),
        ],
    )
    for index in range(3):
        ours, other = (d[index]['data_samples'].gt_sem_seg.data for d in (data, theirs))
        np.testing.assert_array_equal(ours.numpy(), other.numpy())


def test_what_is_wrong_is_said(ade20k, tmp_path, files):
    data = dict(type='FoldersADE20K', data_root=str(ade20k), pipeline=LOAD)
    check_dataset(data, decode=None)
    files.grey(ade20k / 'annotations/training/ADE_x_00000002.png', np.full((4, 6), 151))
    with pytest.raises(DatasetError, match=r'unknown ids \[151\]; expected ids 0 \(other\) to 150'):
        check_dataset(data)
    with pytest.raises(DatasetError, match=r'nowhere is missing(.|\n)*converters/ade20k\.py ADEChallengeData2016\.zip'):
        FoldersADE20K(str(tmp_path / 'nowhere'))
    with pytest.raises(DatasetError, match=rf'converters/streets\.py {tmp_path}/streets --ade20k$'):
        FoldersADE20K(str(tmp_path / 'streets/varied/ade20k'))
    with pytest.raises(ValueError, match='training, validation'):
        FoldersADE20K(str(ade20k), split='val')
    prefix = dict(img_path='images/training', seg_map_path='annotations/training')
    with pytest.raises(DatasetError, match=r'ADE20KDataset: .*nowhere.* is missing. data/README\.md'):
        check_dataset(dict(type='ADE20KDataset', data_root=str(tmp_path / 'nowhere'), data_prefix=prefix, pipeline=[]))


def test_rare_classes_of_ade20k_count_too(ade20k):
    sampling = RareClassSampling(FoldersADE20K(str(ade20k), pipeline=LOAD), cache=False)
    assert len(sampling.probabilities) == 150 and (sampling.probabilities > 0).sum() == 4  # 0, 1, 2 and 149


def test_streets_in_ade20ks_layout(tmp_path):
    root = generate_streets(tmp_path / 'streets', size=(64, 32), source=0, target_train=5, target_val=2)
    seen = []
    out = write_ade20k(root, lambda done, total: seen.append((done, total)))
    assert seen == [(n, 7) for n in range(1, 8)]
    files = sorted(str(path.relative_to(out)) for path in out.rglob('*.*'))
    assert files == sorted(
        [f'images/training/ADE_train_{n:08d}.jpg' for n in range(1, 6)]
        + [f'annotations/training/ADE_train_{n:08d}.png' for n in range(1, 6)]
        + [f'images/validation/ADE_val_{n:08d}.jpg' for n in (1, 2)]
        + [f'annotations/validation/ADE_val_{n:08d}.png' for n in (1, 2)]
    )
    # sorted by city: the first training picture is the first of the first city
    labels = cv2.imread(str(next(root.glob('cityscapes/gtFine/train/eastvale/*000000*labelIds.png'))), -1)
    ids = np.array(Image.open(out / 'annotations/training/ADE_train_00000001.png'))
    classes = FoldersADE20K.METAINFO['classes']
    for name, theirs in (('road', 'road'), ('vegetation', 'tree'), ('building', 'building'), ('rider', 'person')):
        assert (ids[labels == ID[name]] == classes.index(theirs) + 1).all()
    assert (ids[labels == ID['ego vehicle']] == 0).all() and (ids[labels == ID['train']] == 0).all()
    assert {7, 2} <= set(np.unique(ids))  # ids of road and building, as ADE20K's own list numbers them
    check_dataset(dict(type='FoldersADE20K', data_root=str(out), split='validation', pipeline=LOAD), decode=None)
    before = {path: path.stat().st_mtime_ns for path in out.rglob('*.*')}
    write_ade20k(root)
    assert {path: path.stat().st_mtime_ns for path in out.rglob('*.*')} == before


def test_blur_spares_labels_and_flat_areas():
    image = np.zeros((9, 9, 3), np.uint8)
    image[4, 4] = 255
    sample = RandomBlur(prob=1.0)(dict(img=image.copy(), gt_seg_map=np.eye(9)))
    # for 5 pixels OpenCV takes the binomial weights 1 4 6 4 1 over 16, in both directions
    np.testing.assert_allclose(sample['img'][4, 2:7, 0], 255 * np.array([1, 4, 6, 4, 1]) / 16 * 6 / 16, atol=1)
    assert (sample['img'][:2] == 0).all() and (sample['gt_seg_map'] == np.eye(9)).all()
    assert (RandomBlur(prob=0.0)(dict(img=image.copy()))['img'] == image).all()
    np.random.seed(0)
    blurred = [(RandomBlur(prob=0.5)(dict(img=image.copy()))['img'] != image).any() for _ in range(200)]
    assert 70 < sum(blurred) < 130
    with pytest.raises(ValueError, match='kernel=4 must be odd'):
        RandomBlur(kernel=4)


@pytest.mark.parametrize(
    ('name', 'crop', 'scored'),
    [
        ('ade20k', (512, 512), (512, 1024)),
        ('cityscapes', (512, 1024), (1024, 2048)),
        ('streets_scenes', (128, 128), (128, 256)),
    ],
)
def test_data_configs_of_scene_parsing(name, crop, scored, tmp_path_factory):
    root = generate_streets(tmp_path_factory.mktemp('s') / 'streets', source=0, target_train=2, target_val=2)
    write_ade20k(root)
    config = Config.fromfile(CONFIGS / f'{name}.py')
    assert config.test_dataloader == config.val_dataloader
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.update(num_workers=0, persistent_workers=False, batch_size=2)
        innermost = loader.dataset.get('dataset', loader.dataset)
        innermost.data_root = str(root / ('ade20k' if name == 'ade20k' else 'cityscapes'))
        check_dataset(loader.dataset, decode=None)
    for batch in islice(Runner.build_dataloader(config.train_dataloader, seed=0), 3):
        # a picture of half the size is smaller than the crop: the preprocessor pads it
        assert all(a <= b for image in batch['inputs'] for a, b in zip(image.shape[1:], crop))
        assert all(s.gt_sem_seg.shape == i.shape[1:] for s, i in zip(batch['data_samples'], batch['inputs']))
    (batch,) = Runner.build_dataloader(config.val_dataloader)
    assert {tuple(image.shape[1:]) for image in batch['inputs']} == {scored}
    assert all(s.gt_sem_seg.shape == (128, 256) for s in batch['data_samples'])
