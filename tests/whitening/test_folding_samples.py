"""A 1-d layer folds for samples (N, C), which a plain `Conv1d` takes for one signal, and joins a `Linear`."""

import pytest
import torch
from torch import nn

from sw_mmseg.whitening import BatchWhiten2d, SwitchWhiten1d, fold, fold_into, fold_model

EXACT = dict(rtol=1e-6, atol=1e-6)
DOUBLE = dict(dtype=torch.float64)


def trained():
    """With running statistics that are correlated and off zero, then in evaluation mode."""
    layer = SwitchWhiten1d(8, statistics=('bw',), group_size=4, **DOUBLE)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 0.5, 0.5)
    for _ in range(3):
        layer(torch.randn(40, 8, **DOUBLE).cumsum(1) + 2)
    return layer.eval()


def test_samples_without_a_length_fold():
    """As many samples as channels: what `Conv1d` takes for one signal of that length."""
    line = trained()
    signals = torch.randn(8, 8, 6, **DOUBLE)
    conv, report = fold(line, example=signals[..., 0])
    torch.testing.assert_close(conv(signals[..., 0]), line(signals)[..., 0], **EXACT)
    torch.testing.assert_close(conv(signals), line(signals), **EXACT)
    torch.testing.assert_close(torch.jit.script(conv)(signals[..., 0]), line(signals)[..., 0], **EXACT)
    assert isinstance(conv, nn.Conv1d) and report.error < 1e-12
    again = trained()
    both, _ = fold_into(conv, again)
    torch.testing.assert_close(both(signals[..., 0]), again(line(signals[..., 0])), **EXACT)


@pytest.mark.parametrize('bias', [True, False])
def test_behind_a_linear(bias):
    """The layer joins it where an example shows samples (N, C); it becomes a convolution where it may be otherwise."""
    line = trained()
    model = nn.Sequential(nn.Linear(3, 8, bias=bias, **DOUBLE), line, nn.Identity()).eval()
    x, square = torch.randn(8, 3, **DOUBLE), torch.randn(2, 8, 3, **DOUBLE)  # of `square`, channels are the second
    for example, kinds in (
        (x, (nn.Linear, nn.Identity)),
        (square, (nn.Linear, nn.Conv1d)),
        (None, (nn.Linear, nn.Conv1d)),
    ):
        folded, (report,) = fold_model(model, example=example)
        assert all(isinstance(module, kind) for module, kind in zip(folded, kinds))
        assert report.into == ('0' if example is x else None)
        torch.testing.assert_close(folded(x), model(x), **EXACT)
        if example is not x:
            torch.testing.assert_close(folded(square), model(square), **EXACT)
    linear, report = fold_into(model[0], line, example=x)
    torch.testing.assert_close(linear(x), model(x), **EXACT)
    assert type(linear) is nn.Linear and report.error < 1e-12
    with pytest.raises(TypeError, match='which no BatchWhiten2d takes'):
        fold_into(model[0], BatchWhiten2d(8, group_size=4))
    with pytest.raises(ValueError, match='the Linear puts out 6 channels, the layer has 8'):
        fold_into(nn.Linear(3, 6), line)
