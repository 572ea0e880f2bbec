"""What self-training is made of, alone: pseudo-labels, mixed classes, hidden patches, draws."""

import torch
import torch.nn.functional as F

from sw_mmseg.adaptation.class_mix import choose_classes, class_masks, paste
from sw_mmseg.adaptation.masking import Masking
from sw_mmseg.adaptation.pseudo_labels import pixel_weights, pseudo_labels
from sw_mmseg.adaptation.randomness import image_generators


def test_pseudo_labels_and_their_weights():
    """Two classes: a logit difference of ln 3 is a probability of 0.75."""
    logits = torch.zeros(2, 2, 2, 2)
    logits[0, 1] = torch.tensor([[3.0, 3.0], [3.0, 2.9]]).log()
    labels, confident, share = pseudo_labels(logits, 0.7499)
    assert labels.tolist() == [[[1, 1], [1, 1]], [[0, 0], [0, 0]]]
    assert confident[0].tolist() == [[True, True], [True, False]] and share.tolist() == [0.75, 0.0]
    assert pseudo_labels(logits.bfloat16(), 0.7)[2].dtype == torch.float32
    assert pixel_weights(share, (4, 2), (1, 2))[0].tolist() == [[0, 0], [0.75, 0.75], [0, 0], [0, 0]]
    assert pixel_weights(share, (2, 2))[0].tolist() == [[0.75] * 2] * 2


def test_half_of_the_classes_are_pasted_and_never_the_ignored_one():
    labels = torch.tensor([[0, 3, 3], [7, 9, 255]])
    drawn = [choose_classes(labels, torch.Generator().manual_seed(seed)).tolist() for seed in range(60)]
    assert all(len(set(classes)) == 2 and set(classes) <= {0, 3, 7, 9} for classes in drawn)
    assert len({tuple(sorted(classes)) for classes in drawn}) == 6  # all pairs of four occur
    assert len(choose_classes(labels[:, :2][:1], torch.Generator())) == 1
    assert len(choose_classes(torch.tensor([1, 2, 5]), torch.Generator())) == 2  # rounded up
    assert len(choose_classes(torch.full((2, 2), 255), torch.Generator())) == 0

    masks = class_masks(labels[None], [torch.Generator()])
    assert not masks[0, 1, 2] and masks.any()
    source, target = torch.ones(1, 3, 2, 3), torch.zeros(1, 3, 2, 3)
    assert torch.equal(paste(masks, source, target)[0, 2] == 1, masks[0])
    assert torch.equal(paste(masks, source[:, 0], target[:, 0])[0] == 1, masks[0])


def test_masking_hides_whole_patches_as_often_as_asked():
    images = torch.ones(1, 2, 70, 130)
    masked = Masking(block=4, ratio=0.7)(images, [torch.Generator().manual_seed(0)])
    assert torch.equal(masked[:, 0], masked[:, 1]) and set(masked.unique().tolist()) == {0.0, 1.0}
    blocks = F.avg_pool2d(masked[:, :1, :68, :128], 4)
    assert set(blocks.unique().tolist()) == {0.0, 1.0}
    assert abs(float(blocks.mean()) - 0.3) < 0.06  # three deviations of 544 draws
    assert Masking(ratio=0.0)(images, [torch.Generator()]).min() == 1
    assert Masking(ratio=1.0)(images, [torch.Generator()]).max() == 0


def test_draws_follow_from_seed_iteration_image_and_use():
    def first(use, seed, iteration, count, index):
        return torch.rand(1, generator=image_generators(use, seed, iteration, count)[index]).item()

    keys = [('mix', 0, 0, 2, 0), ('mix', 0, 0, 2, 1), ('mask', 0, 0, 2, 0), ('mix', 1, 0, 2, 0), ('mix', 0, 1, 2, 0)]
    assert len({first(*key) for key in keys}) == 5
    assert first('mix', 0, 0, 2, 1) == first('mix', 0, 0, 5, 1)
