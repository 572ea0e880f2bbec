"""A layer folded into a convolution gives what the layer gave; where it cannot, the reason is said."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sw_mmseg.whitening import (
    PRESETS,
    BatchWhiten2d,
    InstanceWhiten2d,
    SwitchWhiten1d,
    SwitchWhiten2d,
    SwitchWhiten3d,
    fold,
    fold_into,
    fold_model,
)

EXACT = dict(rtol=1e-6, atol=1e-6)
DOUBLE = dict(dtype=torch.float64)


def trained(layer, shape=(4, 5, 5)):
    """With running statistics that are correlated and off zero, then in evaluation mode."""
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 0.5, 0.5)
    channels = layer.num_features
    mixing = torch.randn(channels, channels, **DOUBLE) / channels**0.5
    for _ in range(3):
        x = torch.randn(shape[0], channels, *shape[1:], **DOUBLE)
        layer(torch.einsum('cd,nd...->nc...', mixing, x) + 2)
    return layer.eval()


def favouring_batch(statistics, gap):
    """All ratio on the batch statistics but about e^-gap."""
    layer = trained(SwitchWhiten2d(8, statistics=statistics, group_size=4, **DOUBLE))
    with torch.no_grad():
        for logits in (layer.mean_logits, layer.cov_logits):
            logits += torch.tensor([0.0 if word in ('bw', 'bn') else -gap for word in statistics])
    return layer


@pytest.mark.parametrize('method', ['newton', 'eigh'])
@pytest.mark.parametrize('affine', [True, False], ids=['affine', 'plain'])
@pytest.mark.parametrize('statistics', [('bw',), ('bn',), ('bw', 'bn')], ids='+'.join)
def test_batch_statistics_fold_exactly(statistics, affine, method):
    options = dict(affine=affine, group_size=4, inverse_sqrt=method)
    layer = trained(SwitchWhiten2d(8, statistics=statistics, **options, **DOUBLE))
    x = torch.randn(3, 8, 6, 7, **DOUBLE)
    conv, report = fold(layer, example=x)
    assert type(conv) is nn.Conv2d and conv.groups == 8 // layer.group_size and not conv.training
    torch.testing.assert_close(conv(x), layer(x), **EXACT)
    assert report.mean_ratio == report.cov_ratio == 0 and report.error < 1e-12


def test_one_and_three_dimensions_fold():
    line = trained(SwitchWhiten1d(8, statistics=('bw',), group_size=4, **DOUBLE), (4, 9))
    x = torch.randn(2, 8, 6, **DOUBLE)
    torch.testing.assert_close(fold(line)[0](x), line(x), **EXACT)
    volume = trained(SwitchWhiten3d(8, statistics=('bw',), group_size=4, **DOUBLE), (4, 3, 3, 3))
    x = torch.randn(2, 8, 3, 4, 5, **DOUBLE)
    torch.testing.assert_close(fold(volume)[0](x), volume(x), **EXACT)


def test_a_batchnorm_folds_as_torch_folds_it():
    norm, layer = nn.BatchNorm2d(6).double(), SwitchWhiten2d(6, statistics=('bn',), **DOUBLE)
    norm(torch.randn(5, 6, 4, 4, **DOUBLE) * 3 + 1)
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    layer.load_state_dict(norm.state_dict())
    conv = nn.Conv2d(4, 6, 3, padding=1, **DOUBLE)
    ours, _ = fold_into(conv, layer.eval())
    theirs = nn.utils.fuse_conv_bn_eval(conv.eval(), norm.eval())
    torch.testing.assert_close(ours.weight, theirs.weight, **EXACT)
    torch.testing.assert_close(ours.bias, theirs.bias, **EXACT)


@pytest.mark.parametrize('statistics', [PRESETS['SWa'], PRESETS['SWb'], PRESETS['SN']], ids='+'.join)
def test_negligible_image_statistics_fold_with_the_error_reported(statistics):
    x = torch.randn(3, 8, 6, 7, **DOUBLE) + 2
    errors = []
    for gap in (8, 12, 16):
        layer = favouring_batch(statistics, gap)
        conv, report = fold(layer, threshold=0.01, example=x)
        image = [layer.cov_ratios()[word] for word in statistics if word in ('iw', 'in', 'ln')]
        assert report.cov_ratio == pytest.approx(sum(image))
        expected = (conv(x) - layer(x)).abs().max() / layer(x).abs().max()
        assert report.error == pytest.approx(expected.item())
        errors.append(report.error)
    assert 1e-3 > errors[0] > 10 * errors[1] > 100 * errors[2] > 0  # falls with the ratio
    with pytest.raises(ValueError, match=r'image statistics have .* more than threshold=1e-09'):
        fold(layer, threshold=1e-9)


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize(
    'options',
    [
        dict(kernel_size=3, padding=1, stride=2),
        dict(kernel_size=3, groups=2, dilation=2),
        dict(kernel_size=1, groups=2),
        dict(kernel_size=3, padding=1, padding_mode='reflect'),
    ],
    ids=str,
)
def test_folding_into_the_convolution_before(options, bias):
    conv = nn.Conv2d(4, 8, bias=bias, **options, **DOUBLE)
    layer = trained(BatchWhiten2d(8, group_size=4, **DOUBLE))
    kept = copy.deepcopy(conv.state_dict())
    x = torch.randn(2, 4, 9, 8, **DOUBLE)
    folded, report = fold_into(conv, layer, example=x)
    torch.testing.assert_close(folded(x), layer(conv(x)), **EXACT)
    assert report.error < 1e-12 and folded.groups == conv.groups
    assert conv.state_dict().keys() == kept.keys()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in conv.state_dict().items())


def test_what_does_not_fold_says_why():
    layer = trained(BatchWhiten2d(8, group_size=4, **DOUBLE))
    with pytest.raises(ValueError, match='groups of 4 .* over groups of 2'):
        fold_into(nn.Conv2d(8, 8, 3, groups=4), layer)
    with pytest.raises(ValueError, match='puts out 6 channels, the layer has 8'):
        fold_into(nn.Conv2d(8, 6, 3), layer)
    with pytest.raises(TypeError, match=r'plain convolution .* ConvTranspose2d: use fold\(layer\)'):
        fold_into(nn.ConvTranspose2d(8, 8, 3), layer)
    with pytest.raises(TypeError, match='without hooks'):
        fold_into(nn.utils.spectral_norm(nn.Conv2d(8, 8, 3)), layer)
    with pytest.raises(ValueError, match=r'call \.eval\(\) first'):
        fold(BatchWhiten2d(8, group_size=4))
    with pytest.raises(ValueError, match="'iw'.* those of each image"):
        fold(InstanceWhiten2d(16).eval(), threshold=0.9)
    with pytest.raises(ValueError, match='less than 1; got 1.5'):
        fold(layer, threshold=1.5)
    with pytest.raises(TypeError, match='got BatchNorm2d'):
        fold(nn.BatchNorm2d(8))


class Branches(nn.Module):
    """A stem that a shortcut reads too, a convolution called twice, one whose weight is read, and a plain pair."""

    def __init__(self):
        super().__init__()
        self.stem, self.shared, self.read, self.pair = (nn.Conv2d(8, 8, 3, padding=1) for _ in range(4))
        self.norms = nn.ModuleList(BatchWhiten2d(8, group_size=4) for _ in range(4))

    def forward(self, x):
        stem = self.stem(x)
        x = stem + F.relu(self.norms[0](stem))
        x = self.norms[1](self.shared(x)) + self.shared(x)
        x = self.norms[2](self.read(x)) * self.read.weight.mean()
        return self.norms[3](self.pair(x))


def test_a_model_folds_only_where_nothing_else_reads():
    model = Branches().double()
    model.norms = nn.ModuleList(trained(layer) for layer in model.norms)
    model.eval()
    x = torch.randn(2, 8, 7, 7, **DOUBLE)
    before = model(x)
    folded, reports = fold_model(model, example=x)
    assert [report.into for report in reports] == [None, None, None, 'pair']
    assert [report.name for report in reports] == [f'norms.{index}' for index in range(4)]
    assert all(report.error < 1e-12 for report in reports)
    assert [type(module) for module in folded.norms] == [nn.Conv2d] * 3 + [nn.Identity]
    torch.testing.assert_close(folded(x), before, **EXACT)
    assert all(isinstance(module, BatchWhiten2d) for module in model.norms) and torch.equal(model(x), before)


class Untraceable(nn.Sequential):
    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)


def test_a_model_that_cannot_be_traced_gets_convolutions_of_their_own():
    model = Untraceable(nn.Conv2d(8, 8, 1), trained(BatchWhiten2d(8, group_size=4, **DOUBLE))).double().eval()
    x = torch.randn(2, 8, 7, 7, **DOUBLE)
    folded, reports = fold_model(model)
    assert reports[0].into is None and reports[0].error is None and isinstance(folded[1], nn.Conv2d)
    torch.testing.assert_close(folded(x), model(x), **EXACT)


def test_a_shared_layer_is_replaced_wherever_it_stands():
    layer = trained(BatchWhiten2d(8, group_size=4, **DOUBLE))
    model = nn.Sequential(nn.Conv2d(8, 8, 1), layer, nn.Conv2d(8, 8, 1), layer).double().eval()
    x = torch.randn(2, 8, 7, 7, **DOUBLE)
    folded, reports = fold_model(model)
    assert [(report.name, report.into) for report in reports] == [('1', None), ('3', None)]
    torch.testing.assert_close(folded(x), model(x), **EXACT)


def test_layers_of_a_model_that_do_not_fold_are_named_or_left():
    model = (
        nn.Sequential(
            nn.Conv2d(8, 8, 1),
            trained(BatchWhiten2d(8, group_size=4, **DOUBLE)),
            nn.ReLU(),
            favouring_batch(('bw', 'iw'), 3),
            InstanceWhiten2d(8, group_size=4),
        )
        .double()
        .eval()
    )
    with pytest.raises(ValueError, match=r'cannot fold 3: its image .*; 4: statistics .*strict=False'):
        fold_model(model)
    folded, reports = fold_model(model, strict=False)
    assert [report.name for report in reports] == ['1'] and isinstance(folded[3], SwitchWhiten2d)
    x = torch.randn(2, 8, 7, 7, **DOUBLE)
    torch.testing.assert_close(folded(x), model(x), **EXACT)
    with pytest.raises(ValueError, match='Sequential has no switchable layer'):
        fold_model(nn.Sequential(nn.Conv2d(3, 3, 1)))
    alone, (report,) = fold_model(model[1], example=x)
    torch.testing.assert_close(alone(x), model[1](x), **EXACT)
    assert 'grouped 1×1 convolution; image ratios left out: 0.0e+00' in str(report)
