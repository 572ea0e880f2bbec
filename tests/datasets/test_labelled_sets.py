"""Several labelled data sets as one: shares, orders, classes."""

from collections import Counter

import pytest
from mmseg.registry import DATASETS

from sw_mmseg.datasets import DatasetError, LabelledSets, Positioned, check_dataset
from sw_mmseg.datasets.labelled_sets import place_of
from sw_mmseg.datasets.positions import Position
from tests.helpers.own_folders import write_folders

TABLE = {'classes': {'low': 1, 'high': 2}}
STEPS = [dict(type='LoadImage'), dict(type='LoadLabels'), dict(type='PackSegInputs')]


def part(root, **more):
    labelled = {'images': str(root / 'source/images'), 'labels': str(root / 'source/labels'), 'classes': TABLE}
    return dict(type='LabelledImages', **{**labelled, **more}, pipeline=STEPS)


@pytest.fixture
def two(tmp_path):
    """Four images, of which the second data set has three."""
    return part(write_folders(tmp_path / 'a')), part(write_folders(tmp_path / 'b'), leave_out=['0/0'])


@pytest.mark.parametrize('shares', [[0.75, 0.25], [0.5, 0.3, 0.2], [1.0], [0.1, 0.9]])
def test_turns_are_dealt_by_shares_and_counted_one_by_one(shares):
    count, turns = 1000, Counter()
    for position in range(count):
        place, turn = place_of(position, shares)
        assert turn == turns[place]  # so that an order of its own misses nothing
        turns[place] += 1
    for place, share in enumerate(shares):
        assert abs(turns[place] - count * share) <= len(shares)


def test_every_fourth_sample_is_of_the_second_and_each_has_an_order_of_its_own(two):
    sets = DATASETS.build(dict(type='LabelledSets', datasets=list(two), shares=[3, 1]))
    assert len(sets) == 7 and sets.metainfo['classes'] == ('low', 'high')
    stream = Positioned(sets, seed=5)
    paths = [stream[Position(n, 5)]['data_samples'].img_path for n in range(48)]
    second = [path for path in paths if '/b/' in path]
    assert len(second) == 12 and all(sum('/b/' in p for p in paths[n : n + 4]) == 1 for n in range(0, 48, 4))
    assert all(len(set(second[n : n + 3])) == 3 for n in range(0, 12, 3))  # epochs of the three
    # alone, the first data set comes in the same order
    alone = Positioned(two[0], seed=5)
    assert [p for p in paths if '/a/' in p] == [alone[Position(n, 5)]['data_samples'].img_path for n in range(36)]


def test_by_size_where_no_shares_are_given_and_by_rare_classes_within_each(two):
    assert LabelledSets(two).shares == [4 / 7, 3 / 7]
    stream = Positioned(LabelledSets(two, [1, 1]), seed=1, rare_class_sampling=dict(temperature=0.1, cache=False))
    paths = [stream[Position(n, 1)]['data_samples'].img_path for n in range(40)]
    assert sum('/b/' in path for path in paths) == 20


def test_samples_by_index_follow_one_after_the_other(two):
    sets = LabelledSets(two)
    paths = [sets[n]['data_samples'].img_path for n in range(7)]
    assert ['/b/' in path for path in paths] == [False] * 4 + [True] * 3
    assert [sets.get_data_info(n)['img_path'] for n in range(7)] == paths
    with pytest.raises(IndexError, match='index 7 of 7'):
        sets[7]


def test_classes_that_differ_shares_that_are_none_and_broken_files_are_refused(two, tmp_path):
    other = part(tmp_path / 'b', classes={'classes': {'low': 1, 'other': 2}})
    with pytest.raises(DatasetError, match='the same classes'):
        LabelledSets([two[0], other])
    for shares in ([1], [1, 0]):
        with pytest.raises(ValueError, match='a positive number for each of the 2'):
            LabelledSets(two, shares)
    sets = dict(type='LabelledSets', datasets=list(two))
    check_dataset(sets)
    (tmp_path / 'b/source/labels/1/1.png').write_bytes(b'no picture')
    with pytest.raises(DatasetError, match=r'1/1\.png'):
        check_dataset(sets)
