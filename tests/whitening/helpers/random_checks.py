"""What must hold for every case of `random_cases`: the equations' values, or an error that the documentation names.

Not judged is what fp32 cannot hold, which docs/layer.md says: sums of squares beyond its range, and with `eigh`
gradients along directions that are rounding, which must be finite.
"""

import copy

import pytest
import torch

from sw_mmseg.whitening import using_backend
from sw_mmseg.whitening.maths import BATCH, INSTANCE

from .judged import NAMES, excess, judgement, running_of, step

LARGEST = {torch.float32: 1e38, torch.float64: 1e300}


def check(case):
    """Raises `AssertionError` with the case's words."""
    layer = case.layer
    message = refusal(case)
    for backend in ('torch', 'auto'):
        fresh = copy.deepcopy(layer)
        with using_backend(backend):
            if message is not None:
                with pytest.raises(ValueError, match=message):
                    fresh.train(case.training)(case.x)
            elif case.planted is not None:
                check_planted(fresh, case)
            else:
                check_values(fresh, case)


def refusal(case):
    """The error that a case must end in, if any."""
    layer, x = case.layer, case.x
    pixels, words = x[0, 0].numel() if len(x) else 1, set(layer.statistics)
    if 0 in x.shape[2:]:
        return 'without pixels'
    own_moments = case.training or (layer.running_mean is None and words & BATCH)
    if len(x) == 0 or not own_moments:
        return None
    if pixels == 1 and words <= {'iw', 'in'}:
        return 'one pixel an image'
    if pixels * len(x) == 1 and 'ln' not in words:
        return 'one pixel in the whole batch'
    return None


def check_values(layer, case):
    x, dy = case.x, case.dy.to(case.x.dtype)
    if not case.training and layer.running_mean is not None:
        layer.running_mean.copy_(torch.randn_like(layer.running_mean))  # ordinary ones, and the cov stays the identity
    running = None if case.training else running_of(layer)
    results = step(layer.train(case.training), x, dy)
    present = {name: value for name, value in results.items() if value is not None}
    assert all(value.shape == like.shape for value, like in ((present['output'], x), (present['input'], x)))
    if len(x) == 0:
        assert all(value.abs().sum() == 0 for value in present.values()), case.words
        return
    squares = x.double().square().flatten(1).sum(1).max().item()
    if squares > LARGEST[torch.promote_types(x.dtype, torch.float32)]:
        return
    judged, blocks = judgement(layer, x, dy, running)
    certainty = certainty_of(layer, blocks, x)
    limits = {
        name: (exact, with_dtype(allowed * certainty, exact, results[name]))
        for name, (exact, allowed) in judged.items()
    }
    errors = excess(results, limits)
    names = [name for name in NAMES if name in errors]
    if not all(torch.isfinite(exact).all() for exact, _ in judged.values()) or certainty > 1e4:
        names = [] if certainty > 1e8 else ['output']
        assert all(torch.isfinite(value).all() for value in present.values()), (case.words, errors)
    assert all(errors[name] <= 1 for name in names), (case.words, certainty, errors)


def certainty_of(layer, blocks, x):
    """How many times the tolerance a value may be off: with `eigh` more than once where an eigenvalue is among what
    rounding adds to it, of the elements of the covariance and of the decomposition itself."""
    if layer.inverse_sqrt != 'eigh' or layer.group_size == 1:
        return 1.0
    d, rounding = layer.group_size, torch.finfo(torch.promote_types(x.dtype, torch.float32)).eps
    worst = 0.0
    for block in blocks:
        cov = block.cov.detach()
        values, vectors = torch.linalg.eigh(cov)
        variances = (vectors.T.square() @ cov.diagonal()) * d * rounding + values.max() * d * 1e-15
        worst = max(worst, (variances / values.clamp_min(1e-300)).max().item())
    return 1 + worst / 2e-5


def with_dtype(allowed, exact, result):
    """What the result's dtype, if it is a half, cannot hold is allowed as well."""
    if result is None or result.dtype not in (torch.float16, torch.bfloat16):
        return allowed
    limits = torch.finfo(result.dtype)
    allowed = allowed + limits.eps * exact.abs() + limits.smallest_normal * limits.eps
    return torch.where(exact.abs() > limits.max * 0.99, torch.inf, allowed)


def check_planted(layer, case):
    """What depends on the planted value is not finite somewhere, and all else is as the equations say."""
    x, (image, channel, pixel) = case.x, case.planted
    before = [buffer.clone() for buffer in layer.buffers()]
    y = layer.train(case.training)(x).detach()
    running, words = None if case.training else running_of(layer), set(layer.statistics)
    if case.training and layer.running_mean is not None:
        assert layer.num_batches_skipped == 1 and layer.num_batches_tracked == 0, case.words
        assert all(torch.equal(a, b) for a, b in zip(before[:2], list(layer.buffers())[:2])), case.words
    group = slice(channel // layer.group_size * layer.group_size, (channel // layer.group_size + 1) * layer.group_size)
    reached = torch.zeros(x.shape, dtype=torch.bool).reshape(*x.shape[:2], -1)
    reached[image, group, pixel] = True
    if words & {'iw', 'in'} or words & BATCH and running is None:
        reached[image, group] = True
    if words & BATCH and running is None:
        reached[:, group] = True
    if words & INSTANCE and 'ln' in words:
        reached[image] = True
    reached = reached.view(x.shape)
    assert not torch.isfinite(y[reached]).all(), case.words
    if layer.inverse_sqrt == 'newton' and x.double()[torch.isfinite(x)].square().sum() < 1e37:
        judged, _ = judgement(layer, torch.where(torch.isfinite(x), x, 0), case.dy, running)
        exact, allowed = judged['output']
        allowed = with_dtype(allowed, exact, y)
        assert (((y.double() - exact).abs() <= allowed) | allowed.isinf())[~reached].all(), case.words
