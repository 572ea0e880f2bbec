"""Pieces of source images on target images of the same size and of another."""

import pytest
import torch

from sw_mmseg.adaptation.class_mix import mix_classes


def domain(count, size, classes, value, seed):
    """Images whose three channels are `value`, row and column, and random labels with a few ignored."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(*(torch.arange(float(side)) for side in size), indexing='ij')
    images = torch.stack([torch.full(size, value), rows, columns]).repeat(count, 1, 1, 1)
    labels = torch.tensor(classes)[torch.randint(len(classes), (count, *size), generator=generator)]
    labels[:, :2, :3] = 255
    return images, labels


def generators(count, seed=0):
    return [torch.Generator().manual_seed(seed + index) for index in range(count)]


@pytest.mark.parametrize('sizes', [((9, 12), (9, 12)), ((7, 15), (9, 12)), ((20, 30), (9, 12)), ((9, 12), (20, 30))])
def test_half_of_a_source_images_classes_lie_on_the_target_image(sizes):
    source, target = domain(3, sizes[0], [0, 1, 2, 3, 4], 1.0, 5), domain(3, sizes[1], [10, 11], 2.0, 6)
    untouched = [part.clone() for part in (*source, *target)]
    images, labels = mix_classes(source, target, generators(3))
    for index in range(3):
        pasted = images[index, 0] == 1.0
        background = ~pasted
        assert torch.equal(images[index][:, background], target[0][index][:, background])
        assert torch.equal(labels[index][background], target[1][index][background])
        rows, columns = images[index, 1:, pasted].long()  # where in the source image
        assert torch.equal(labels[index][pasted], source[1][index][rows, columns])
        assert len(labels[index][pasted].unique()) == 3 and 255 not in labels[index][pasted]
        down, right = pasted.nonzero().T
        assert len((rows - down).unique()) == len((columns - right).unique()) == 1  # one piece, moved as a whole
        place = source[1][index][rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert pasted.sum() == torch.isin(place, labels[index][pasted].unique()).sum()  # every pixel of those classes
    assert all(torch.equal(one, other) for one, other in zip((*source, *target), untouched))


def test_places_and_classes_follow_from_the_images_own_generator():
    source, target = domain(2, (20, 30), [0, 1, 2, 3], 1.0, 5), domain(2, (9, 12), [10], 2.0, 6)
    first, again = (mix_classes(source, target, generators(2))[0] for _ in range(2))
    assert torch.equal(first, again)
    other = mix_classes(source, target, [*generators(1), *generators(1, seed=9)])[0]
    assert torch.equal(first[0], other[0]) and not torch.equal(first[1], other[1])


def test_target_images_without_a_source_image_stay():
    source, target = domain(1, (9, 12), [0, 1], 1.0, 5), domain(2, (9, 12), [10], 2.0, 6)
    images, labels = mix_classes(source, target, generators(2))
    assert torch.equal(images[1], target[0][1]) and torch.equal(labels[1], target[1][1])
    assert not torch.equal(images[0], target[0][0])
