"""One stream of samples: no target label in it, the same for any workers, ranks and resumption."""

import random
from itertools import islice

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from mmengine.runner.loops import _InfiniteDataloaderIterator

from sw_mmseg.datasets import DomainPair, Positioned, PositionSampler, sampler
from sw_mmseg.datasets.positions import Position, seeded

TARGET = [dict(type='LoadImage'), dict(type='RandomFlip', prob=0.5), dict(type='PackSegInputs')]
# mmengine up to 0.10.7 reads through the samples that a resumed run has used
skips = pytest.mark.skipif(not hasattr(_InfiniteDataloaderIterator, 'skip_iter'), reason='this mmengine skips nothing')
SOURCE = [dict(type='LoadImage'), dict(type='LoadLabels'), *TARGET[1:]]


@pytest.fixture
def pair(gta5, cityscapes) -> dict:
    """Config of a pair; labels lie beside the target's pictures."""
    source = dict(type='GTA5Dataset', data_root=str(gta5), pipeline=SOURCE)
    target = dict(type='UnlabelledImages', data_root=str(cityscapes), img_dir='leftImg8bit/train', pipeline=TARGET)
    return dict(type='DomainPair', source=source, target=target)


def build(dataset: dict, workers: int = 0, seed: int = 3, batch_size: int = 2):
    loader = dict(batch_size=batch_size, num_workers=workers, dataset=dataset, sampler=dict(type='PositionSampler'))
    return Runner.build_dataloader(loader, seed=seed)


def print_of(batch: dict) -> list:
    """What a batch is, as plain values: which pictures, which way round, which labels."""
    rows = []
    for side in (batch[key] for key in ('source', 'target')) if 'source' in batch else (batch,):
        for image, sample in zip(side['inputs'], side['data_samples']):
            labels = sample.gt_sem_seg.data[0, 0, 0].item() if 'gt_sem_seg' in sample else None
            rows.append((sample.img_path[-30:], image[2, 0, 0].item(), sample.flip, labels))
    return rows


def test_a_batch_is_what_the_trainer_expects(pair):
    batch = next(iter(build(pair)))
    assert set(batch) == {'source', 'target'}
    for side in batch.values():
        assert [image.shape for image in side['inputs']] == [(3, 4, 6)] * 2
        assert all(image.dtype == torch.uint8 for image in side['inputs'])
    assert all('gt_sem_seg' in sample for sample in batch['source']['data_samples'])


def test_no_target_label_is_ever_in_a_batch(pair, cityscapes):
    assert list(cityscapes.glob('gtFine/train/*/*_labelIds.png'))  # they are there to be read by mistake
    samples = [s for batch in islice(build(pair), 30) for s in batch['target']['data_samples']]
    assert len({s.img_path for s in samples}) == 5
    for sample in samples:
        assert list(sample.keys()) == []  # no annotation of any kind
        assert 'seg_map_path' not in sample.metainfo


def test_a_target_with_labels_is_refused(pair, cityscapes):
    pair['target'] = dict(type='RawCityscapesDataset', data_root=str(cityscapes), pipeline=SOURCE)
    with pytest.raises(ValueError, match='brought labels'):
        DomainPair(pair['source'], pair['target'], seed=0)[0]


def test_each_side_is_seen_once_an_epoch_in_changing_order(pair):
    data = DomainPair(pair['source'], pair['target'], seed=1)
    assert len(data) == 7
    for side, length in (('source', 7), ('target', 5)):
        seen = [data[Position(p, 0)][side]['data_samples'].img_path for p in range(3 * length)]
        epochs = [seen[i : i + length] for i in range(0, 3 * length, length)]
        assert all(len(set(epoch)) == length for epoch in epochs)
        assert epochs[0] != epochs[1] != epochs[2]


def test_workers_do_not_change_the_stream(pair):
    alone, shared = (list(map(print_of, islice(build(pair, workers), 12))) for workers in (0, 2))
    assert alone == shared
    assert len({row[2] for rows in alone for row in rows}) == 2  # some are mirrored and some are not


def test_the_runs_seed_decides_unless_the_set_has_its_own(pair):
    def stream(run, **options):
        return list(map(print_of, islice(build(dict(pair, **options), seed=run), 6)))

    assert stream(3) == stream(3)
    assert stream(3) != stream(4)
    assert stream(3, seed=8) == stream(4, seed=8)


@skips
@pytest.mark.parametrize('workers', [0, 2])
def test_skipping_equals_draining(pair, workers):
    whole = list(map(print_of, islice(build(pair), 9)))
    resumed = _InfiniteDataloaderIterator(build(pair, workers))
    resumed.skip_iter(4)  # as mmengine's loop resumes
    assert [print_of(next(resumed)) for _ in range(5)] == whole[4:]


@skips
def test_skipping_loads_nothing(pair, monkeypatch):
    loader = build(pair)
    monkeypatch.setattr(DomainPair, '__getitem__', lambda self, p: pytest.fail(f'position {p} was loaded'))
    _InfiniteDataloaderIterator(loader).skip_iter(10**9)
    with pytest.raises(ValueError, match='-1'):
        loader.sampler.skip(-1)


def test_two_ranks_share_the_positions(pair, monkeypatch):
    data = DomainPair(pair['source'], pair['target'])
    positions = []
    for rank in range(2):
        monkeypatch.setattr(sampler, 'get_dist_info', lambda rank=rank: (rank, 2))
        rank_sampler = PositionSampler(data)
        rank_sampler.skip(3)
        positions.append([position.number for position in islice(rank_sampler, 5)])
        assert len(rank_sampler) == 4
    assert positions == [[6, 8, 10, 12, 14], [7, 9, 11, 13, 15]]


def test_source_only_sees_the_pairs_source_samples(pair):
    joined = DomainPair(pair['source'], pair['target'], seed=5)
    alone = Positioned(pair['source'], seed=5)
    assert len(alone) == 7 and alone.metainfo['classes'] == joined.metainfo['classes']
    for p in range(20):
        pair_sample, sample = joined[Position(p, 0)]['source'], alone[Position(p, 0)]
        assert print_of(pseudo_collate([pair_sample])) == print_of(pseudo_collate([sample]))


def test_iterating_ends_after_an_epoch_and_positions_do_not(pair):
    for data in (DomainPair(pair['source'], pair['target'], seed=1), Positioned(pair['source'], seed=1)):
        items = list(islice(iter(data), 100))
        assert len(items) == len(data) == 7
        for index in (7, -1):
            with pytest.raises(IndexError, match=f'index {index} of 7'):
                data[index]
        assert data[Position(10**9, 0)]


def test_an_index_is_that_position_of_the_first_epoch(pair):
    data = DomainPair(pair['source'], pair['target'], seed=1)
    for index in range(7):
        assert print_of(pseudo_collate([data[index]])) == print_of(pseudo_collate([data[Position(index, 5)]]))


def test_without_a_seed_an_index_is_refused_and_a_position_brings_one(pair):
    """So that no sampler reads with a seed that nobody chose; the sampler that brings one writes it nowhere."""
    data = DomainPair(pair['source'], pair['target'])
    with pytest.raises(ValueError, match=r'DomainPair has no seed: .*follow\(seed\).*PositionSampler'):
        data[0]
    first = next(iter(PositionSampler(data, seed=8)))
    assert data.seed is None and first == (0, 8)
    other = DomainPair(pair['source'], pair['target'], seed=8)
    samples = [pseudo_collate([side]) for side in (data[first], other[0])]
    assert print_of(samples[0]) == print_of(samples[1])
    data.follow(8)
    data.follow(9)  # a seed stays
    assert data.seed == 8 and print_of(pseudo_collate([data[3]])) == print_of(pseudo_collate([other[3]]))


def test_loading_leaves_random_numbers_alone(pair):
    data = DomainPair(pair['source'], pair['target'], seed=0)

    def numbers():
        return random.random(), np.random.rand(), torch.rand(1).item()

    def seed():
        random.seed(1), np.random.seed(1), torch.manual_seed(1)

    seed()
    expected = numbers()
    seed()
    data[3]
    assert numbers() == expected
    with seeded(1, 2):
        first = numbers()
    with seeded(1, 2):
        assert numbers() == first
    with seeded(2, 1):
        assert not set(numbers()) & set(first)


def test_the_sampler_needs_positions(pair, gta5):
    with pytest.raises(TypeError, match='Positioned'):
        build(pair['source'])
