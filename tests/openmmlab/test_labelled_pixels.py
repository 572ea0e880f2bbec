"""mmseg's accuracy and cross entropy without a mask: the values of mmseg's own, and nothing for which a host waits."""

import importlib
import itertools

import pytest
import torch
from mmseg.models import losses
from mmseg.registry import MODELS

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.openmmlab.labelled_pixels import HOLDERS
from tests.helpers.recordable import Recordable

VOID, CLASSES = 255, 6


def labels(kind, shape):
    """Random ones, a part of them void; or all void; or all but one."""
    drawn = torch.randint(CLASSES + 1, shape)
    drawn[drawn == CLASSES] = VOID
    if kind != 'some void':
        drawn.fill_(VOID)
    if kind == 'one':
        drawn.view(-1)[0] = 2
    return drawn


def same(values, expected):
    assert type(values) is type(expected)
    values, expected = (value if isinstance(value, list) else [value] for value in (values, expected))
    assert len(values) == len(expected)
    for value, other in zip(values, expected, strict=True):
        assert torch.equal(value, other) and value.dtype == other.dtype and value.shape == other.shape


@pytest.mark.parametrize('kind', ['some void', 'none', 'one'])
@pytest.mark.parametrize('shape', [(3, 5, 7), (2, 9), (11,)])
def test_values_are_those_of_mmseg(shape, kind):
    torch.manual_seed(0)
    thresholds = [None, 0.3] if len(shape) == 1 else [None]
    for topk, thresh, void in itertools.product([1, 3, (1, 3), (2,), (5, 1)], thresholds, [VOID, None, 0]):
        logits, drawn = torch.randn(shape[0], CLASSES, *shape[1:]), labels(kind, shape)
        drawn = drawn.clamp(max=CLASSES - 1) if void is None else drawn
        logits = logits.round() if topk == 3 else logits  # equal scores
        same(
            losses.accuracy(logits, drawn, topk, thresh, void),
            losses.accuracy.__wrapped__(logits, drawn, topk, thresh, void),
        )
        void = VOID if void is None else void
        drawn[drawn == VOID] = void
        same(
            losses.cross_entropy(logits, drawn, ignore_index=void, avg_non_ignore=True),
            losses.cross_entropy.__wrapped__(logits, drawn, ignore_index=void, avg_non_ignore=True),
        )


def test_half_precision_and_no_pixel():
    logits, drawn = torch.randn(2, CLASSES, 4, 4), labels('some void', (2, 4, 4))
    for values, targets in ((logits.bfloat16(), drawn), (logits[:0], drawn[:0]), (logits[:0], drawn)):
        same(
            losses.accuracy(values, targets, (1, 2), ignore_index=VOID),
            losses.accuracy.__wrapped__(values, targets, (1, 2), ignore_index=VOID),
        )


@pytest.mark.parametrize(
    ('shape', 'topk', 'error'),
    [((2, 4, 5), 1, IndexError), ((3, 4, 4), 1, AssertionError), ((2, 4, 4), 7, AssertionError)],
)
def test_what_mmseg_refuses_is_refused(shape, topk, error):
    logits, drawn = torch.randn(2, CLASSES, 4, 4), labels('some void', shape)
    for function in (losses.accuracy.__wrapped__, losses.accuracy):
        with pytest.raises((error, RuntimeError)):
            function(logits, drawn, topk, ignore_index=VOID)


def test_other_averages_of_the_cross_entropy_are_mmsegs():
    logits, drawn = torch.randn(2, CLASSES, 4, 4), labels('some void', (2, 4, 4))
    for options in (
        {},
        {'reduction': 'sum', 'avg_non_ignore': True},
        {'avg_factor': 3.0, 'avg_non_ignore': True},
        {'class_weight': torch.rand(CLASSES)},
        {'weight': torch.rand(2, 4, 4), 'avg_non_ignore': True},
    ):
        both = (losses.cross_entropy, losses.cross_entropy.__wrapped__)
        same(*(function(logits, drawn, ignore_index=VOID, **options) for function in both))


def test_no_host_waits():
    logits, drawn = torch.randn(2, CLASSES, 4, 4, requires_grad=True), labels('some void', (2, 4, 4))
    head = MODELS.build({'type': 'CrossEntropyLoss', 'avg_non_ignore': True})
    with Recordable():
        losses.accuracy(logits, drawn, (1, 3), ignore_index=VOID)
        head(logits, drawn, ignore_index=VOID).backward()


@pytest.mark.parametrize('name', HOLDERS)
def test_all_of_mmseg_has_them(name):
    for holder in HOLDERS[name]:
        module = importlib.import_module(holder)
        assert vars(module)[name] is getattr(losses, name) and hasattr(vars(module)[name], '__wrapped__')
