"""The four data configs, pointed at tiny data sets: what a training and a validation batch looks like."""

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.registry import TRANSFORMS

from sw_mmseg.datasets import DatasetError, check_dataset
from sw_mmseg.datasets.streets import generate_streets

CONFIGS = Path(__file__).parents[2] / 'configs/_base_/datasets'
PAIRS, SINGLES = ('gta2cityscapes', 'streets'), ('gta5', 'streets_sourceonly')


@pytest.fixture(scope='module')
def streets(tmp_path_factory) -> Path:
    return generate_streets(tmp_path_factory.mktemp('streets'), size=(256, 128), source=4, target_train=3, target_val=2)


def _with_tuples(node):
    """Sizes as configs have them: JSON knows lists alone."""
    return {key: tuple(value) if key == 'scale' else value for key, value in node.items()}


@pytest.fixture
def load(gta5, cityscapes, streets):
    """A config by name, its roots replaced by tiny data sets and its workers left out."""

    def read(name: str) -> Config:
        text = json.dumps(Config.fromfile(CONFIGS / f'{name}.py').to_dict())
        for root, place in (('data/gta5', gta5), ('data/cityscapes', cityscapes), ('data/streets/varied', streets)):
            text = text.replace(f'"{root}', f'"{place}')
        assert '"data/' not in text
        config = Config(json.loads(text, object_hook=_with_tuples))
        for loader in (config.train_dataloader, config.val_dataloader):
            loader.update(num_workers=0, persistent_workers=False)
        return config

    return read


def shapes(side: dict) -> set:
    return {tuple(image.shape[1:]) for image in side['inputs']}


@pytest.mark.parametrize(
    ('name', 'source', 'target', 'size'),
    [('gta2cityscapes', (720, 1280), (512, 1024), 1), ('streets', (128, 256), (128, 256), 2)],
)
def test_pairs(load, name, source, target, size):
    config = load(name)
    check_dataset(config.train_dataloader.dataset)
    batches = list(islice(Runner.build_dataloader(config.train_dataloader, seed=0), 4))
    assert len(batches) == 4
    for batch in batches:
        assert shapes(batch['source']) == {source} and shapes(batch['target']) == {target}
        assert len(batch['source']['inputs']) == len(batch['target']['inputs']) == size
        assert all(s.gt_sem_seg.shape == source for s in batch['source']['data_samples'])
        assert not any('gt_sem_seg' in s for s in batch['target']['data_samples'])


@pytest.mark.parametrize(('name', 'source'), [('gta5', (720, 1280)), ('streets_sourceonly', (128, 256))])
def test_source_only(load, name, source):
    config = load(name)
    check_dataset(config.train_dataloader.dataset)
    batch = next(iter(Runner.build_dataloader(config.train_dataloader, seed=0)))
    assert shapes(batch) == {source} and all(s.gt_sem_seg.shape == source for s in batch['data_samples'])
    paths = [s.img_path for s in batch['data_samples']]
    assert all('/gta5/images/' in path for path in paths)  # no target picture


@pytest.mark.parametrize('name', PAIRS + SINGLES)
def test_validation_scores_at_the_labels_size(load, name):
    config = load(name)
    check_dataset(config.val_dataloader.dataset, decode=None)
    batches = list(Runner.build_dataloader(config.val_dataloader))
    assert sum(len(batch['inputs']) for batch in batches) == 2
    for batch in batches:
        # the tiny pictures of Cityscapes are 6x4: their ratio is kept
        assert shapes(batch) == {(128, 256) if 'streets' in name else (512, 768)}
        assert all(s.gt_sem_seg.shape == s.ori_shape for s in batch['data_samples'])
    assert config.val_evaluator.type == 'IoUMetric' and config.test_dataloader.dataset == config.val_dataloader.dataset


@pytest.mark.parametrize(('pair', 'single'), zip(PAIRS, SINGLES))
def test_a_pair_and_its_source_only_counterpart_read_the_same_source(load, pair, single):
    pair, single = load(pair).train_dataloader, load(single).train_dataloader
    assert pair.dataset.source == single.dataset.dataset and pair.batch_size == single.batch_size


@pytest.mark.parametrize('name', ['streets', 'streets_sourceonly'])
def test_options_choose_the_target_and_no_environment_does(name, monkeypatch):
    monkeypatch.setenv('STREETS_TARGET', 'mixed')
    config = Config.fromfile(CONFIGS / f'{name}.py')
    usual = json.dumps(config.to_dict())
    for target in ('homogeneous', 'mixed'):
        usual_folder, folder = 'data/streets/varied/cityscapes', f'data/streets/{target}/cityscapes'
        parts = ['val_dataloader.dataset', 'test_dataloader.dataset']
        parts += ['train_dataloader.dataset.target'] if name == 'streets' else []
        chosen = Config.fromfile(CONFIGS / f'{name}.py')
        chosen.merge_from_dict({f'{part}.data_root': folder for part in parts})
        assert json.dumps(chosen.to_dict()) == usual.replace(usual_folder, folder)


def test_a_missing_target_is_named_with_the_way_to_make_it(tmp_path):
    for variant, words in (('mixed', 'streets --variant mixed'), ('varied', 'streets$')):
        dataset = dict(type='RawCityscapesDataset', data_root=str(tmp_path / f'streets/{variant}/cityscapes'))
        with pytest.raises(DatasetError, match=words):
            check_dataset(dataset)


@pytest.mark.parametrize('name', ['gta5', 'gta2cityscapes', 'gta2cityscapes_crops', 'gta2cityscapes_rare'])
def test_sizes_of_gta5_and_cityscapes(name):
    """Training brings every image of a domain to AdaptSegNet's size; tests keep the ratio of whatever they look at."""
    config = Config.fromfile(CONFIGS / f'{name}.py')

    def resized(pipeline, height, width):
        (step,) = [TRANSFORMS.build(step) for step in pipeline if step.type == 'Resize']
        return step.transform({'img': np.zeros((height, width, 3), np.uint8)})['img'].shape[:2]

    dataset = config.train_dataloader.dataset
    source = dataset.get('source', dataset.get('dataset'))
    assert {resized(source.pipeline, rows, 1914) for rows in (1052, 1046)} == {(720, 1280)}
    test = config.test_dataloader.dataset.pipeline
    assert resized(test, 1024, 2048) == (512, 1024)
    if 'target' in dataset:
        assert resized(dataset.target.pipeline, 1024, 2048) == (512, 1024)
    for height, width in ((1052, 1914), (1046, 1914), (480, 640), (1920, 1080)):
        rows, columns = resized(test, height, width)
        assert abs(columns / rows - width / height) < 0.003 * width / height
