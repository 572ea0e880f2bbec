"""Tools of torch and timm for networks with BatchNorm, on networks with SW: right values, or a refusal that says the
way. OpenMMLab's have tests of their own."""

import copy

import pytest
import torch
import torch.fx.experimental.optimization
import torch.utils.mkldnn
from torch import nn
from torch.ao.quantization import fuse_modules, fuse_modules_qat
from torch.nn.utils import parametrize, prune
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from sw_mmseg.whitening import SwitchWhiten1d, SwitchWhiten2d

from .helpers.steps import assert_equal

TO_SAY = 'has no running_var but running_cov.*sw_mmseg.whitening.fold'


def network():
    model = nn.Sequential(nn.Conv2d(3, 16, 3), SwitchWhiten2d(16), nn.ReLU())
    for _ in range(2):
        model(torch.randn(4, 3, 8, 8) + 1)
    return model.eval()


def of_timm(name):
    def run(model):
        timm = pytest.importorskip('timm')
        timm_tools = {
            'freeze': timm.utils.freeze,
            'convert_splitbn_model': timm.layers.convert_splitbn_model,
            'freeze_batch_norm_2d': timm.layers.freeze_batch_norm_2d,
            'convert_sync_batchnorm': timm.layers.convert_sync_batchnorm,
        }
        return timm_tools[name](model)

    return run


REFUSED = {
    'fuse_conv_bn_eval': lambda model: fuse_conv_bn_eval(model[0], model[1]),
    'fuse_linear_bn_eval': lambda model: fuse_linear_bn_eval(nn.Linear(3, 16).eval(), SwitchWhiten1d(16).eval()),
    'to_mkldnn': torch.utils.mkldnn.to_mkldnn,
    **{
        f'timm {name}': of_timm(name)
        for name in ('freeze', 'freeze_batch_norm_2d', 'convert_splitbn_model', 'convert_sync_batchnorm')
    },
}


@pytest.mark.parametrize('tool', REFUSED.values(), ids=REFUSED)
def test_what_would_take_it_for_a_batchnorm_is_told_the_way(tool):
    with pytest.raises(AttributeError, match=TO_SAY):
        tool(network())


@pytest.mark.parametrize('fuse', [fuse_modules, fuse_modules_qat])
def test_fusing_for_quantisation_goes_by_exact_classes(fuse):
    with pytest.raises((NotImplementedError, AssertionError), match='fuser method'):
        fuse(network().train(fuse is fuse_modules_qat), [['0', '1', '2']])


def test_fusing_by_fx_leaves_it():
    model = nn.Sequential(network(), nn.Conv2d(16, 16, 1), nn.BatchNorm2d(16)).eval()
    fused = torch.fx.experimental.optimization.fuse(model)
    x = torch.randn(2, 3, 9, 8)
    torch.testing.assert_close(fused(x), model(x), rtol=1e-4, atol=1e-5)
    classes = [type(module) for module in fused.modules()]
    assert SwitchWhiten2d in classes and nn.BatchNorm2d not in classes


TIES = {
    'built': lambda layer: layer,
    'deepcopy': copy.deepcopy,
    'double': lambda layer: layer.double(),
    'to meta and back': lambda layer: loaded(layer, copy.deepcopy(layer).to('meta').to_empty(device='cpu')),
    'to_empty': lambda layer: loaded(layer, copy.deepcopy(layer).to_empty(device='cpu')),
    'built on meta, assign': lambda layer: loaded(
        layer, SwitchWhiten2d(16, tie_weights=True, device='meta'), assign=True
    ),
    'assign': lambda layer: loaded(layer, SwitchWhiten2d(16, tie_weights=True), assign=True),
    'assign in a model': lambda layer: loaded(
        nn.Sequential(layer), nn.Sequential(SwitchWhiten2d(16, tie_weights=True, device='meta')), assign=True
    )[0],
    'from an untied layer': lambda layer: loaded(untied(layer), SwitchWhiten2d(16, tie_weights=True)),
}


def loaded(source, target, **options):
    target.load_state_dict(source.state_dict(), **options)
    return target


def untied(layer):
    return loaded(layer, SwitchWhiten2d(16))


@pytest.mark.parametrize('way', TIES.values(), ids=TIES)
def test_tied_logits_stay_tied(way):
    """One parameter, which a step moves once, and the same in both mixtures."""
    source = SwitchWhiten2d(16, tie_weights=True)
    with torch.no_grad():
        source.mean_logits[0] = 2.5
    before = untied(source).mean_ratios()
    layer = way(source)
    assert layer.cov_logits is layer.mean_logits and len(list(layer.parameters())) == 3
    assert not layer.mean_logits.is_meta and layer.mean_ratios() == layer.cov_ratios() == before
    layer(torch.randn(2, 16, 5, 5, dtype=layer.weight.dtype)).pow(3).sum().backward()
    torch.optim.SGD(layer.parameters(), 0.1).step()
    assert layer.mean_ratios() == layer.cov_ratios() != before


def test_logits_that_differ_are_refused_by_a_layer_that_ties_them():
    state = SwitchWhiten2d(16).state_dict()
    state['cov_logits'] = torch.tensor([2.0, 0.0])
    with pytest.raises(RuntimeError, match='cov_logits differs from mean_logits.*tie_weights=False'):
        SwitchWhiten2d(16, tie_weights=True).load_state_dict(state)


def test_functional_call_takes_the_parameters_of_a_tied_layer():
    layer, x = SwitchWhiten2d(16, tie_weights=True).eval(), torch.randn(2, 16, 5, 5)
    parameters = {name: tensor.detach() + 0.3 * torch.randn_like(tensor) for name, tensor in layer.named_parameters()}
    expected = copy.deepcopy(layer)
    with torch.no_grad():
        for name, tensor in expected.named_parameters():
            tensor.copy_(parameters[name])
    torch.testing.assert_close(torch.func.functional_call(layer, parameters, (x,)), expected(x))
    assert layer.cov_logits is layer.mean_logits and (layer.mean_logits == 1).all()


class Doubled(nn.Module):
    def forward(self, value):
        return 2 * value


def replaced(layer, name):
    setattr(layer, name, nn.Parameter(getattr(layer, name).detach().clone()))


SPLITS = {
    'parametrised': lambda layer, name: parametrize.register_parametrization(layer, name, Doubled()),
    'pruned': lambda layer, name: prune.identity(layer, name),
    'replaced': replaced,
}


@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize('name', ['mean_logits', 'cov_logits'])
@pytest.mark.parametrize('split', SPLITS.values(), ids=SPLITS)
def test_tied_logits_that_were_taken_apart_are_refused(split, name, training):
    """Of which neither is given up: conversions and state dicts leave both as they are."""
    layer = SwitchWhiten2d(16, tie_weights=True).train(training)
    split(layer, name)
    before = [getattr(layer, word).detach().clone() for word in ('mean_logits', 'cov_logits')]
    for dtype in (torch.float32, torch.float64):
        with pytest.raises(RuntimeError, match='tie_weights=True, and its mean_logits and cov_logits are two tensors'):
            layer.to(dtype)(torch.randn(2, 16, 5, 5, dtype=dtype))
    layer.load_state_dict(copy.deepcopy(layer.state_dict()))
    assert_equal([layer.mean_logits, layer.cov_logits], [value.double() for value in before])


@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
def test_logits_that_are_not_tied_may_be_parametrised(training):
    layer = SwitchWhiten2d(16).train(training)
    expected = copy.deepcopy(layer)
    with torch.no_grad():
        layer.mean_logits[0] = 1.5
        expected.mean_logits.copy_(torch.tensor([3.0, 2.0]))
    parametrize.register_parametrization(layer, 'mean_logits', Doubled())
    x = torch.randn(2, 16, 5, 5)
    torch.testing.assert_close(layer(x), expected(x))
    torch.testing.assert_close(layer.double()(x.double()), expected.double()(x.double()))
