"""Digits, CIFAR, folders of pictures, things cut out of the streets: contents, and errors that show the way."""

import pickle

import cv2
import numpy as np
import pytest
import torchvision
from mmengine.registry import DATASETS, DefaultScope

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.datasets import CIFAR, CLASSES, DatasetError, Digits, ImageFolders, StreetCrops
from sw_mmseg.datasets.digits import read_digits
from sw_mmseg.datasets.street_crops import THINGS, cut, find_things
from sw_mmseg.datasets.streets import generate_streets


def test_digits_are_scikit_learns():
    sklearn = pytest.importorskip('sklearn.datasets')
    train, test = Digits(split='train'), Digits(split='test')
    assert (len(train), len(test)) == (1200, 597)
    source = sklearn.load_digits()
    for dataset, offset in ((train, 0), (test, 1200)):
        for index in (0, 100, len(dataset) - 1):
            sample = dataset[index]
            assert sample['img'].shape == (32, 32, 3) and sample['img'].dtype == np.uint8
            assert sample['gt_label'] == source.target[offset + index]
            assert (sample['img'][..., 0] == sample['img'][..., 2]).all()
            small = cv2.resize(sample['img'][..., 0].astype(np.float32), (8, 8), interpolation=cv2.INTER_AREA)
            correlation = np.corrcoef(small.ravel(), source.images[offset + index].ravel())[0, 1]
            assert correlation > 0.97
    assert train.metainfo['classes'] == tuple('0123456789')
    assert {int(label) for label in read_digits('test')[1]} == set(range(10))
    with pytest.raises(ValueError, match="split='val'; valid are train, test"):
        read_digits('val')


def test_digits_without_scikit_learn(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, 'sklearn.datasets', None)
    with pytest.raises(DatasetError, match='pip install scikit-learn'):
        Digits(split='train')


def cifar_batches(root, monkeypatch):
    """A CIFAR-10 of five images a batch, in the published form, whose checksums are taken for granted."""
    folder = root / 'cifar-10-batches-py'
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in [f'data_batch_{index}' for index in range(1, 6)] + ['test_batch']:
        batch = {'data': rng.integers(0, 256, (5, 3072), dtype=np.uint8), 'labels': [3, 1, 4, 1, 5]}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / 'batches.meta').write_bytes(pickle.dumps({'label_names': list('abcdefghij')}))
    monkeypatch.setattr(torchvision.datasets.cifar, 'check_integrity', lambda *_: True)


def test_cifar_is_read_as_published(tmp_path, monkeypatch):
    with pytest.raises(DatasetError, match=r'cifar-10-batches-py is missing.*cs\.toronto\.edu.*download=True'):
        CIFAR('CIFAR10', str(tmp_path))
    with pytest.raises(DatasetError, match='cifar-100-python is missing'):
        CIFAR('CIFAR100', str(tmp_path), split='test')
    (tmp_path / 'damaged' / 'cifar-10-batches-py').mkdir(parents=True)
    with pytest.raises(DatasetError, match='cifar-10-batches-py is damaged'):
        CIFAR('CIFAR10', str(tmp_path / 'damaged'))
    cifar_batches(tmp_path, monkeypatch)
    train, test = (CIFAR('CIFAR10', str(tmp_path), split=split) for split in ('train', 'test'))
    assert (len(train), len(test)) == (25, 5) and train.metainfo['classes'] == tuple('abcdefghij')
    raw = pickle.loads((tmp_path / 'cifar-10-batches-py' / 'data_batch_2').read_bytes())
    sample = train[5]
    assert sample['gt_label'] == 3 and sample['img'].shape == (32, 32, 3)
    assert np.array_equal(sample['img'][..., 1].ravel(), raw['data'][0, 1024:2048])  # green follows red
    with pytest.raises(ValueError, match="name='CIFAR11'"):
        CIFAR('CIFAR11', str(tmp_path))


def picture(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((4, 4, 3), value, np.uint8))


def test_both_layouts_of_imagenet(tmp_path):
    for label, name in enumerate(('n01', 'n02')):
        for index in range(3):
            picture(tmp_path / 'train' / name / f'{name}_{index}.png')
            picture(tmp_path / 'val' / f'val_{label}{index}.png')
            picture(tmp_path / 'sorted' / name / f'val_{label}{index}.png')
    (tmp_path / 'meta').mkdir()
    (tmp_path / 'meta' / 'val.txt').write_text(
        ''.join(f'val_{label}{i}.png {label}\n' for label in (0, 1) for i in range(3))
    )
    (tmp_path / 'train' / 'n01' / 'notes.txt').write_text('no picture')
    train = ImageFolders(str(tmp_path), 'train', num_classes=2)
    assert [sample['gt_label'] for sample in map(train.get_data_info, range(6))] == [0, 0, 0, 1, 1, 1]
    assert train.metainfo['classes'] == ('n01', 'n02')
    flat, folders = (ImageFolders(str(tmp_path), split) for split in ('val', 'sorted'))
    for index in range(6):
        one, other = flat.get_data_info(index), folders.get_data_info(index)
        assert one['img_path'].rpartition('/')[2] == other['img_path'].rpartition('/')[2]
        assert one['gt_label'] == other['gt_label']
    with pytest.raises(DatasetError, match=r'val has 2 classes, not 1000'):
        ImageFolders(str(tmp_path), 'val', num_classes=1000)
    with pytest.raises(DatasetError, match=r'folder .*test is missing(.|\n)*image-net\.org(.|\n)*digits configs'):
        ImageFolders(str(tmp_path), 'test')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DatasetError, match='holds neither folders of pictures'):
        ImageFolders(str(tmp_path), 'empty')
    (tmp_path / 'meta' / 'val.txt').write_text('val_00.png 0\nlost.png 1\n')
    with pytest.raises(DatasetError, match=r'lost\.png, which is missing'):
        ImageFolders(str(tmp_path), 'val')
    (tmp_path / 'meta' / 'val.txt').write_text('val_00.png\n')
    with pytest.raises(DatasetError, match=r'val\.txt:1 must read "NAME LABEL"'):
        ImageFolders(str(tmp_path), 'val')


def test_hidden_folders_are_no_classes_and_no_class_shifts_another(tmp_path):
    for split, names in (('train', 'abc'), ('val', 'ac')):
        for name in names:
            picture(tmp_path / split / name / '0.png')
        picture(tmp_path / split / '.ipynb_checkpoints' / '0-checkpoint.png')
        picture(tmp_path / split / 'a' / '._0.png')
        (tmp_path / split / '__MACOSX').mkdir()
    train, val = (ImageFolders(str(tmp_path), split, num_classes=3) for split in ('train', 'val'))
    assert train.metainfo['classes'] == val.metainfo['classes'] == ('a', 'b', 'c')

    def pairs(dataset):
        infos = map(dataset.get_data_info, range(len(dataset)))
        return [(sample['img_path'][-7:], sample['gt_label']) for sample in infos]

    assert pairs(train) == [('a/0.png', 0), ('b/0.png', 1), ('c/0.png', 2)]
    assert pairs(val) == [('a/0.png', 0), ('c/0.png', 2)]
    given = ImageFolders(str(tmp_path), 'val', metainfo=dict(classes=('c', 'a')))
    assert pairs(given) == [('c/0.png', 0), ('a/0.png', 1)]
    picture(tmp_path / 'val' / 'd' / '0.png')
    with pytest.raises(DatasetError, match=r"1 classes that .*train has not, such as 'd': numbers would differ"):
        ImageFolders(str(tmp_path), 'val')
    alone = ImageFolders(str(tmp_path), 'val', classes_from='val')
    assert alone.metainfo['classes'] == ('a', 'c', 'd')


def test_a_crop_holds_its_thing_in_the_middle():
    image = np.zeros((40, 60, 3), np.uint8)
    image[10:20, 20:40] = 200  # 20 wide, 10 high
    labels = np.full((40, 60), CLASSES.index('road'))
    labels[10:20, 20:40] = CLASSES.index('car')
    labels[30:33, 5:8] = CLASSES.index('person')  # too small
    things = list(find_things(labels, smallest=8))
    assert things == [(THINGS.index('car'), (20, 10, 20, 10))]
    crop = cut(image, things[0][1], 26)  # the square has 26 pixels: nothing is scaled
    bright = np.argwhere(crop[..., 0] > 100)
    assert bright.min(0).tolist() == [8, 3] and bright.max(0).tolist() == [17, 22]
    assert (crop[8:18, 3:23] == 200).all()
    corner = cut(image + 7, (0, 0, 10, 10), 26)
    assert corner.shape == (26, 26, 3) and (corner[:4, :4] == 7).all()  # the edge goes on


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    folder = tmp_path_factory.mktemp('streets')
    return generate_streets(folder, size=(128, 64), source=10, target_train=10, target_val=1)


def test_things_of_both_domains(streets):
    parts = {
        (domain, split): StreetCrops(str(streets), domain, split, smallest=6, per_class=None)
        for domain in ('source', 'target')
        for split in ('train', 'test')
    }
    assert all(len(part) for part in parts.values())
    sample = parts['source', 'train'][0]
    assert sample['img'].shape == (32, 32, 3) and 0 <= sample['gt_label'] < len(THINGS)
    for domain in ('source', 'target'):
        assert len(parts[domain, 'train']) > len(parts[domain, 'test'])
    capped = StreetCrops(str(streets), smallest=6, per_class=2)
    labels = [capped.get_data_info(index)['gt_label'] for index in range(len(capped))]
    assert max(labels.count(label) for label in labels) <= 2
    with pytest.raises(ValueError, match="domain='game'"):
        StreetCrops(str(streets), 'game')
    with pytest.raises(DatasetError, match='the test pictures of the source .* show nothing of 500 pixels'):
        StreetCrops(str(streets), split='test', smallest=500)
    with pytest.raises(DatasetError, match=r'streets\.py'):
        StreetCrops(str(streets.parent / 'streets' / 'absent'))


def test_every_scope_finds_them():
    import mmpretrain.datasets  # noqa: F401

    pytest.importorskip('sklearn')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        config = dict(type='Digits', split='test', pipeline=[dict(type='PackInputs')])
        sample = DATASETS.build(config)[3]
    assert sample['inputs'].shape == (3, 32, 32) and sample['data_samples'].gt_label.shape == (1,)
