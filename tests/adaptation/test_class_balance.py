"""Levels, thresholds and kept pixels against numbers worked out by hand; files of pseudo-labels."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from sw_mmseg.adaptation import PseudoLabelError
from sw_mmseg.adaptation.class_balance import (
    LEVELS,
    class_manifest,
    count_levels,
    flip_mean,
    keep_surest,
    sureness_levels,
    surest_thresholds,
)
from sw_mmseg.adaptation.target_labelling import spread
from sw_mmseg.adaptation.views import random_views
from sw_mmseg.engine import PseudoLabelFiles


def test_levels_are_128_to_a_halving_of_doubt():
    probability = torch.tensor([0.0, 0.5, 0.75, 1 - 2.0**-10, 1.0, 0.625])
    # -log2(1 - 0.625) = log2(8 / 3) = 1.4150; times 128 is 181.1
    assert sureness_levels(probability).tolist() == [0, 128, 256, 1280, LEVELS - 1, 181] and LEVELS == 24 * 128 + 1


def test_of_each_class_the_surest_share_is_kept_however_rare_and_unsure_it_is():
    labels = torch.tensor([[0, 0, 0, 0], [1, 1, 0, 0]])
    levels = torch.tensor([[900, 800, 700, 600], [7, 5, 500, 400]])
    counts = count_levels(labels, levels, 3)
    assert counts.shape == (3, LEVELS) and counts.sum(1).tolist() == [6, 2, 0]
    assert counts[0, 900] == counts[1, 5] == 1 and counts[1, 900] == 0
    thresholds = surest_thresholds(counts, 0.5)
    assert thresholds.tolist() == [700, 7, LEVELS]  # three of six, one of two; the third class is nowhere
    kept = keep_surest(labels, levels, thresholds)
    assert kept.tolist() == [[0, 0, 0, 255], [1, 255, 255, 255]]
    # at least the share: 0.6 of six are 3.6 pixels, so four; and of two, two
    assert surest_thresholds(counts, 0.6).tolist() == [600, 5, LEVELS]
    assert surest_thresholds(counts, 1.0).tolist() == [400, 5, LEVELS]
    assert class_manifest(counts, thresholds) == {
        'pixels': [6, 2, 0],
        'kept': [3, 1, 0],
        'thresholds': [700, 7, LEVELS],
    }


def test_equal_pixels_are_kept_together_and_counts_add_up():
    labels = torch.zeros(6, dtype=torch.long)
    levels = torch.tensor([9, 9, 9, 3, 2, 1])
    counts = count_levels(labels, levels, 1)
    assert surest_thresholds(counts, 0.2).tolist() == [9]
    assert (keep_surest(labels, levels, torch.tensor([9])) == 0).sum() == 3
    assert surest_thresholds(counts, 0.51).tolist() == [3]
    parts = count_levels(labels[:2], levels[:2], 1) + count_levels(labels[2:], levels[2:], 1)
    assert torch.equal(parts, counts)


def test_the_mean_over_mirrors_turns_the_mirrors_answer_back():
    image = torch.tensor([[[0.2, 0.4]], [[0.8, 0.6]]])
    mirror = torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]]])
    expected = torch.tensor([[[0.6, 0.2]], [[0.4, 0.8]]])
    torch.testing.assert_close(flip_mean(torch.stack([image, mirror])), expected)


def test_views_move_labels_with_their_images():
    """Every pixel says in the image what it is labelled; a zoom of 1 leaves an image but for the mirror."""
    labels = torch.arange(24 * 32).view(1, 24, 32).repeat(20, 1, 1) % 7
    generators = [torch.Generator().manual_seed(seed) for seed in range(20)]
    images, moved = random_views(labels[:, None].double(), labels, generators, zoom=1.0)
    assert torch.equal(images[:, 0], moved.double())
    mirrored = [torch.equal(view, labels[0].flip(-1)) for view in moved]
    assert all(torch.equal(view, labels[0]) != turned for view, turned in zip(moved, mirrored))
    assert 2 < sum(mirrored) < 18

    places = (torch.arange(24)[:, None] * 32 + torch.arange(32)).expand(20, 24, 32)
    generators = [torch.Generator().manual_seed(seed) for seed in range(20)]
    rows = (places // 32).double()
    images, moved = random_views(torch.stack([rows, (places % 32).double()], 1), places, generators, zoom=2.0)
    assert (images[:, 0] - (moved // 32)).abs().max() <= 1 and (images[:, 1] - (moved % 32)).abs().max() <= 1
    heights = (moved[:, -1, 0] // 32 - moved[:, 0, 0] // 32 + 1).tolist()
    assert min(heights) < 15 and max(heights) > 21 and all(11 <= height <= 24 for height in heights)


def test_spread_has_both_ends():
    assert spread(10, 4) == [0, 3, 6, 9] and spread(3, 96) == [0, 1, 2] and spread(1, 5) == [0]


class TestFiles:
    paths = ('/data/a/one.jpg', '/data/b/one.jpg')  # of one name

    def files(self, tmp_path):
        return PseudoLabelFiles(tmp_path / 'pseudo_labels', self.paths, [[1, 2, 3], [4, 5, 6]])

    def test_what_was_written_is_read_and_any_viewer_shows_it(self, tmp_path):
        files = self.files(tmp_path)
        labels = torch.tensor([[0, 1], [255, 1]])
        files.start(1)
        for path in self.paths:
            files.write(1, path, labels)
        assert files.manifest(1) is None
        files.finish(1, {'thresholds': [3, 4]})
        assert torch.equal(files.read(1, self.paths[1]), labels) and files.read(1, self.paths[0]).dtype == torch.int64
        names = sorted(path.name for path in (tmp_path / 'pseudo_labels/round_1').iterdir())
        assert names == ['000000_one.png', '000001_one.png', 'round.json']
        picture = Image.open(tmp_path / 'pseudo_labels/round_1/000001_one.png')
        assert picture.mode == 'P' and np.asarray(picture.convert('RGB'))[0, 1].tolist() == [4, 5, 6]
        assert json.loads((tmp_path / 'pseudo_labels/round_1/round.json').read_text()) == {
            'images': 2,
            'thresholds': [3, 4],
        }
        files.check(1, [3, 4])

    def test_a_round_that_is_not_whole_or_anothers_is_refused(self, tmp_path):
        files = self.files(tmp_path)
        with pytest.raises(PseudoLabelError, match='round 2.*are not there.*Resume in the folder where it ran'):
            files.check(2, [3, 4])
        files.start(2)
        files.finish(2, {'thresholds': [3, 4]})
        for wrong in (
            lambda: files.check(2, [3, 5]),
            lambda: PseudoLabelFiles(files.folder, self.paths[:1]).check(2, [3, 4]),
        ):
            with pytest.raises(PseudoLabelError, match='are of another run'):
                wrong()
        files.start(2)
        with pytest.raises(PseudoLabelError, match='are not there'):
            files.check(2, [3, 4])
        with pytest.raises(PseudoLabelError, match='none of the 2 target images'):
            files.read(2, '/data/c.jpg')
        with pytest.raises(PseudoLabelError, match='000000_one.png cannot be read'):
            files.read(2, self.paths[0])
