"""IoU of groups of classes against counts by hand."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from sw_mmseg.datasets import labels
from sw_mmseg.running.categories import GroupScore


def sample(truth, predicted):
    """One sample of label maps."""
    return SegDataSample(
        gt_sem_seg=PixelData(data=torch.tensor([truth])), pred_sem_seg=PixelData(data=torch.tensor([predicted]))
    )


def test_a_class_of_the_right_group_counts_and_void_does_not():
    score = GroupScore({'animal': ('cat', 'dog'), 'thing': ('cup',), 'none': ('air',)}, ['cat', 'dog', 'cup', 'air'])
    score(sample([[0, 1, 2], [2, 255, 1]], [[1, 1, 2], [0, 0, 2]]))
    score(sample([[0]], [[0]]))
    # animal: cat, cat, dog found; one dog missed, one cup taken for a cat. thing: one found, one missed, one too many.
    assert score.iou[:2] == pytest.approx([100 * 3 / 5, 100 * 1 / 3])
    assert score.iou[2] != score.iou[2]  # nowhere


def test_every_class_of_cityscapes_has_one_category():
    members = [name for names in labels.CATEGORIES.values() for name in names]
    assert len(labels.CATEGORIES) == 7 and sorted(members) == sorted(labels.CLASSES)


@pytest.mark.parametrize('groups', [{'a': ('x',)}, {'a': ('x', 'y'), 'b': ('y',)}])
def test_classes_without_a_group_or_with_two_are_refused(groups):
    with pytest.raises(ValueError, match='must be in one group'):
        GroupScore(groups, ['x', 'y'])
