"""The stand-in for mmcv's compiled operators, through mmcv's own functions, against plain loops in fp64."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

import sw_mmseg.plugin  # noqa: F401

ops = pytest.importorskip('mmcv.ops')
DEVICES = ['cpu'] + (['cuda'] if torch.cuda.is_available() else [])


def plain_nms(boxes, scores, threshold, offset=0):
    kept = []
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        for j in kept:
            (ax, ay, ar, ab), (bx, by, br, bb) = boxes[i], boxes[j]
            width = max(0.0, min(ar, br) - max(ax, bx) + offset)
            height = max(0.0, min(ab, bb) - max(ay, by) + offset)
            union = (ar - ax + offset) * (ab - ay + offset) + (br - bx + offset) * (bb - by + offset) - width * height
            if width * height > threshold * union:
                break
        else:
            kept.append(i)
    return kept


def random_boxes(count, seed=0, whole=False):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 20
    size = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 12
    boxes = torch.cat([corner, corner + size], 1)
    return (boxes.round() if whole else boxes), torch.rand(count, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [0.0, 0.3, 0.7, 1.0])
def test_nms_keeps_what_a_loop_keeps(threshold, offset, device):
    for seed in range(3):
        boxes, scores = random_boxes(60, seed, whole=bool(offset))
        dets, kept = ops.nms(boxes.float().to(device), scores.float().to(device), threshold, offset=offset)
        expected = plain_nms(boxes.float().double().tolist(), scores.tolist(), threshold, offset)
        assert kept.tolist() == expected and 0 < len(expected) <= 60
        assert_close(dets.cpu(), torch.cat([boxes, scores[:, None]], 1)[expected].float())


def test_nms_at_its_edges():
    # of two squares of area 4 that share 2 the IoU is 2 / 6; shifted by the offset's pixel 3·2 / (9 + 9 − 6) = 1/2
    boxes, scores = torch.tensor([[0.0, 0, 2, 2], [1, 0, 3, 2]]), torch.tensor([0.9, 0.8])
    assert ops.nms(boxes, scores, 0.34)[1].tolist() == [0, 1] and ops.nms(boxes, scores, 0.33)[1].tolist() == [0]
    assert ops.nms(boxes, scores, 0.5, offset=1)[1].tolist() == [0, 1]
    assert ops.nms(boxes, scores, 0.49, offset=1)[1].tolist() == [0]
    points = torch.tensor([[1.0, 1, 1, 1], [1, 1, 1, 1], [5, 5, 5, 9]])  # no area: 0/0 removes nothing
    assert ops.nms(points, torch.tensor([0.1, 0.2, 0.3]), 0.5)[1].tolist() == [2, 1, 0]
    empty, none = ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert empty.shape == (0, 5) and none.shape == (0,) and none.dtype == torch.long
    many, values = random_boxes(40)
    dets, kept = ops.nms(many.numpy(), values.numpy(), 0.4, score_threshold=0.3, max_num=5)
    expected = [i for i in plain_nms(many.tolist(), values.tolist(), 0.4) if values[i] > 0.3][:5]
    assert isinstance(dets, np.ndarray) and kept.tolist() == expected
    half = ops.nms(many.bfloat16(), values.bfloat16(), 0.4)[1]
    assert half.tolist() == plain_nms(many.bfloat16().tolist(), values.bfloat16().tolist(), 0.4)


def test_batched_nms_is_nms_of_every_class():
    boxes, scores = random_boxes(80)
    classes = torch.arange(80) % 3
    dets, kept = ops.batched_nms(boxes, scores, classes, dict(type='nms', iou_threshold=0.4))
    expected = [
        members[i]
        for c in range(3)
        for members in [[n for n in range(80) if n % 3 == c]]
        for i in plain_nms(boxes[members].tolist(), scores[members].tolist(), 0.4)
    ]
    assert kept.tolist() == sorted(expected, key=lambda i: -scores[i]) and 3 < len(expected) < 80
    assert_close(dets, torch.cat([boxes, scores[:, None]], 1)[kept])
    agnostic = ops.batched_nms(boxes, scores, classes, dict(type='nms', iou_threshold=0.4), class_agnostic=True)[1]
    assert agnostic.tolist() == plain_nms(boxes.tolist(), scores.tolist(), 0.4)


def bilinear(image, y, x):
    """Of (C, H, W); beyond one pixel outside, nothing; within, the border goes on."""
    height, width = image.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return image.new_zeros(image.shape[0])
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    dy, dx = y - y0, x - x0
    return (1 - dy) * ((1 - dx) * image[:, y0, x0] + dx * image[:, y0, x1]) + dy * (
        (1 - dx) * image[:, y1, x0] + dx * image[:, y1, x1]
    )


def plain_roi_align(images, rois, size, scale, ratio, aligned):
    """Every bin is the mean over a grid of `ratio` samples a side, or of one a pixel where that is 0."""
    output = []
    for index, *box in rois.tolist():
        left, top, right, bottom = (side * scale - 0.5 * aligned for side in box)
        width, height = right - left, bottom - top
        if not aligned:
            width, height = max(width, 1.0), max(height, 1.0)
        step_y, step_x = height / size[0], width / size[1]
        rows, columns = ratio or math.ceil(step_y), ratio or math.ceil(step_x)
        bins = []
        for bin_y in range(size[0]):
            for bin_x in range(size[1]):
                samples = [
                    bilinear(
                        images[int(index)],
                        top + (bin_y + (row + 0.5) / rows) * step_y,
                        left + (bin_x + (column + 0.5) / columns) * step_x,
                    )
                    for row in range(rows)
                    for column in range(columns)
                ]
                bins.append(sum(samples, images.new_zeros(images.shape[1])) / max(len(samples), 1))
        output.append(torch.stack(bins, 1).view(-1, *size))
    return torch.stack(output)


ROIS = torch.tensor(
    [
        [0, 2.3, 1.1, 9.7, 12.9],  # inside
        [1, -6.0, -3.5, 5.2, 30.0],  # over three borders
        [1, 4.0, 4.0, 4.0, 4.0],  # a point
        [0, 0.0, 3.0, 20.0, 3.4],  # a line's height
        [0, 60.0, 60.0, 80.0, 70.0],  # outside
        [1, 0.0, 0.0, 20.0, 16.0],  # all of it
    ],
    dtype=torch.float64,
)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('aligned', [False, True])
@pytest.mark.parametrize('ratio', [0, 1, 2, 3])
@pytest.mark.parametrize('scale', [1.0, 0.5])
def test_roi_align_and_its_gradient_are_those_of_a_loop(scale, ratio, aligned, device):
    images = torch.randn(2, 3, 8, 10, dtype=torch.float64, requires_grad=True)
    expected = plain_roi_align(images, ROIS, (2, 3), scale, ratio, aligned)
    weight = torch.randn_like(expected)
    (expected_grad,) = torch.autograd.grad((expected * weight).sum(), images)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        x = images.detach().to(device, dtype).requires_grad_()
        output = ops.roi_align(x, ROIS.to(device, dtype), (2, 3), scale, ratio, 'avg', aligned)
        (grad,) = torch.autograd.grad((output * weight.to(device, dtype)).sum(), x)
        assert output.dtype == grad.dtype == dtype
        compare = dict(rtol=tolerance, atol=tolerance)
        assert_close(output.cpu().double(), expected, **compare)
        assert_close(grad.cpu().double(), expected_grad, **compare)
    assert expected.abs().sum() > 1 and expected_grad.abs().sum() > 1


def test_roi_align_of_nothing_of_half_precision_and_of_strided_gradients():
    images = torch.randn(2, 3, 8, 10, requires_grad=True)
    nothing = ops.roi_align(images, ROIS[:0].float(), (7, 7), 0.5, 0, 'avg', True)
    assert nothing.shape == (0, 3, 7, 7)
    assert torch.autograd.grad(nothing.sum(), images)[0].abs().sum() == 0
    exact = ops.roi_align(images, ROIS.float(), (2, 2), 0.5, 2, 'avg', True)
    for dtype in (torch.bfloat16, torch.float16):
        rounded = images.detach().to(dtype).requires_grad_()
        half = ops.roi_align(rounded, ROIS.to(dtype), (2, 2), 0.5, 2, 'avg', True)
        (grad,) = torch.autograd.grad(half.float().sum(), rounded)
        assert half.dtype == grad.dtype == dtype
        # coordinates up to 80 have steps of 1/4 and 1/16 there
        same = ops.roi_align(rounded.float(), ROIS.to(dtype).float(), (2, 2), 0.5, 2, 'avg', True)
        assert_close(half.float(), same.to(dtype).float())
    layer = ops.RoIAlign((2, 2), 0.5, 2)
    (plain,) = torch.autograd.grad((layer(images, ROIS.float()) * exact.detach()).sum(), images)
    transposed = layer(images, ROIS.float()).permute(0, 2, 3, 1) * exact.detach().permute(0, 2, 3, 1)
    assert_close(torch.autograd.grad(transposed.sum(), images)[0], plain)


def plain_focal_loss(logit, positive, gamma, alpha):
    """−α (1 − p)^γ log p for the target's class, −(1 − α) p^γ log(1 − p) for another."""
    p = torch.sigmoid(logit)
    return -alpha * (1 - p) ** gamma * p.log() if positive else -(1 - alpha) * p**gamma * (1 - p).log()


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('gamma', [0.0, 1.5, 2.0])
@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_sigmoid_focal_loss_and_its_gradient_are_those_of_a_loop(reduction, gamma, device):
    logits = torch.randn(6, 4, dtype=torch.float64) * 3
    target = torch.tensor([0, 3, 4, 2, 4, 1])  # 4: none of the classes
    weight = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    for rows, given in ((slice(None), None), ([0, 1, 3, 5], weight)):
        values, classes = logits[rows].requires_grad_(), target[rows]
        loss = torch.stack(
            [
                torch.stack([plain_focal_loss(value, c == t, gamma, 0.3) for c, value in enumerate(row)])
                * (1.0 if given is None else given[t])
                for row, t in zip(values, classes)
            ]
        )
        expected = {'none': loss, 'sum': loss.sum(), 'mean': loss.sum() / len(loss)}[reduction]
        (expected_grad,) = torch.autograd.grad(expected.sum(), values)
        class_weight = None if given is None else given.to(device)
        output = ops.sigmoid_focal_loss(values.to(device), classes.to(device), gamma, 0.3, class_weight, reduction)
        assert_close(output.cpu(), expected)
        assert_close(torch.autograd.grad(output.sum(), values)[0], expected_grad)
