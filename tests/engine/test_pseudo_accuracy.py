"""The monitor of pseudo-labels on labelled pictures: counts by hand."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS

from sw_mmseg.engine import PseudoLabelAccuracyHook
from sw_mmseg.engine.pseudo_accuracy import accuracies
from tests.helpers.tiny_networks import side, tiny_config

SIZE = (32, 48)


def test_accuracy_counts_right_pixels_and_confident_ones():
    """A teacher that sees class 2 everywhere, with probability 1 / (1 + 4 / e^5) = 0.974."""
    model = MODELS.build({**tiny_config('SelfTraining'), 'threshold': 0.97}).eval()
    for classifier in model.teacher.network.decode_head.classifiers:
        torch.nn.init.zeros_(classifier.weight)
        torch.nn.init.constant_(classifier.bias, 0.0)
    model.teacher.network.decode_head.classifiers[0].bias[2] = 5.0
    labels = torch.zeros(1, *SIZE, dtype=torch.long)
    labels[:, :8] = 2  # a quarter
    labels[:, 24:] = 255  # another does not count: 1 of 3
    batch = side(SIZE, 2, labelled=True)
    batch['data_samples'][0].gt_sem_seg = PixelData(data=labels)
    batch['data_samples'][1].gt_sem_seg = PixelData(data=torch.full((1, 16, 24), 2))  # of another size: all right
    samples = [{key: value[index] for key, value in batch.items()} for index in range(2)]
    expected = 100 * (0.25 + 1) / (0.75 + 1)
    for batches in ([samples], [[sample] for sample in samples]):
        scores = accuracies(model, batches)
        assert scores['pseudo_accuracy'] == pytest.approx(expected) == scores['pseudo_accuracy_confident']
    model.threshold = 0.98
    assert accuracies(model, [samples])['pseudo_accuracy_confident'] == 0


def test_accuracy_needs_labels_and_a_teacher():
    class Run:
        val_loop, model = None, torch.nn.Identity()

    with pytest.raises(ValueError, match='needs a labelled validation set'):
        PseudoLabelAccuracyHook().before_train(Run)
    Run.val_loop = 'one'
    with pytest.raises(ValueError, match='needs a teacher, Identity has none'):
        PseudoLabelAccuracyHook().before_train(Run)
    with pytest.raises(ValueError, match='must be positive'):
        PseudoLabelAccuracyHook(images=0)
