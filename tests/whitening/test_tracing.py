"""What follows torch's operations instead of running them: `torch.fx`, `torch.jit`, tensors without values."""

import copy
import io

import pytest
import torch
import torchvision
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.ao.quantization import get_default_qat_qconfig_mapping, get_default_qconfig_mapping
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx, prepare_qat_fx
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.feature_extraction import create_feature_extractor

from sw_mmseg.whitening import (
    PRESETS,
    SwitchWhiten1d,
    SwitchWhiten2d,
    SwitchWhiten3d,
    convert,
    fold_model,
    for_inference,
    using_backend,
)
from tests.helpers.slow_cases import slow

from .helpers.steps import CLOSE

OMEGAS = [PRESETS[name] for name in ('SWa', 'SWb', 'SN', 'BW', 'IW')]


@pytest.fixture(scope='module')
def resnet():
    """torchvision's, all of its norms SW with statistics of a batch, in evaluation."""
    torch.manual_seed(0)
    model = torchvision.models.resnet18()
    convert(model)
    model(torch.randn(2, 3, 64, 64))
    return model.eval()


def switching(model):
    return [module for module in model.modules() if isinstance(module, SwitchWhiten2d)]


def test_fx_takes_the_layer_for_one_node(resnet):
    x = torch.randn(2, 3, 40, 48)
    traced = fx.symbolic_trace(resnet)
    assert len(switching(traced)) == 20
    assert sum(node.op == 'call_module' and node.target == 'bn1' for node in traced.graph.nodes) == 1
    torch.testing.assert_close(traced(x), resnet(x), rtol=0, atol=0)
    ours, theirs = copy.deepcopy(resnet).train(), fx.symbolic_trace(copy.deepcopy(resnet).train())
    torch.testing.assert_close(theirs(x), ours(x), rtol=0, atol=0)
    torch.testing.assert_close(theirs.bn1.running_cov, ours.bn1.running_cov, rtol=0, atol=0)  # it is still a layer


def test_a_layer_that_is_called_by_keyword():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 16, 1), SwitchWhiten2d(16, statistics=('bw',))

        def forward(self, x):
            return self.norm(input=self.conv(x))

    model, x = Network(), torch.randn(4, 3, 6, 6)
    model(x)
    model.eval()
    expected = nn.Sequential(model.conv, model.norm)(x)
    torch.testing.assert_close(torch.fx.symbolic_trace(model)(x), expected)
    folded, (report,) = fold_model(model, example=x)
    assert report.into == 'conv' and report.error < 1e-5
    torch.testing.assert_close(folded(x), expected, rtol=1e-4, atol=1e-5)


def test_fx_says_why_it_does_not_trace_the_layer_alone():
    with pytest.raises(TypeError, match='does not see into SwitchWhiten2d: trace a module that contains it'):
        fx.symbolic_trace(SwitchWhiten2d(16))


def test_torchvisions_extractor(resnet):
    x = torch.randn(2, 3, 40, 48)
    extractor = create_feature_extractor(resnet, ['bn1', 'layer3'])
    features = extractor(x)
    stem = resnet.bn1(resnet.conv1(x))
    torch.testing.assert_close(features['bn1'].relu(), stem.relu())  # torchvision's own ReLU behind it is in place
    expected = resnet.layer3(resnet.layer2(resnet.layer1(resnet.maxpool(stem.relu()))))
    torch.testing.assert_close(features['layer3'], expected)


def test_timms_extractors():
    timm = pytest.importorskip('timm')
    from timm.models import FeatureGraphNet

    model = timm.create_model('resnet18')
    convert(model)
    x = torch.randn(2, 3, 40, 48)
    first, second = FeatureGraphNet(model.eval(), out_indices=(1, 2))(x)
    torch.testing.assert_close(second, model.layer2(first))
    listed = timm.create_model('resnet18', features_only=True)
    convert(listed)
    listed.load_state_dict(model.state_dict(), strict=False)
    for ours, expected in zip(listed.eval()(x)[1:3], (first, second), strict=True):
        torch.testing.assert_close(ours, expected)


def test_quantisation_by_fx_leaves_it_in_floating_point(resnet):
    x = torch.randn(2, 3, 40, 48)
    prepared = prepare_fx(copy.deepcopy(resnet), get_default_qconfig_mapping(), (x,))
    torch.testing.assert_close(prepared(x), resnet(x))
    quantised = convert_fx(prepared)
    assert len(switching(quantised)) == 20 and not isinstance(quantised.conv1, nn.Conv2d)
    error = (quantised(x) - resnet(x)).abs().max() / resnet(x).abs().max()
    assert error < 0.25  # that of eight bits
    training = prepare_qat_fx(copy.deepcopy(resnet).train(), get_default_qat_qconfig_mapping(), (x,))
    training(x).sum().backward()
    assert len(switching(training)) == 20


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('method', ['newton', 'eigh'])
@pytest.mark.parametrize('statistics', OMEGAS, ids='+'.join)
@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
def test_tensors_without_values(training, statistics, method):
    """Shapes and dtypes forward and backward, on the meta device and as fake tensors, also where the backward runs
    outside the mode."""

    def build(**options):
        return SwitchWhiten2d(16, statistics=statistics, inverse_sqrt=method, momentum=None, **options).train(training)

    layer, x = build(device='meta'), torch.randn(2, 16, 5, 6, device='meta', requires_grad=True)
    y = layer(x)
    y.sum().backward()
    fakes = []
    for inside in (True, False):
        with FakeTensorMode(allow_non_fake_inputs=not inside):
            fake, z = build(), torch.randn(2, 16, 5, 6, requires_grad=True)
            output = fake(z)
            if inside:
                output.sum().backward()
        if not inside:
            output.backward(torch.empty_like(output))
        fakes.append((fake, z, output))
    for network, image, result in ((layer, x, y), *fakes):
        assert result.shape == image.grad.shape == (2, 16, 5, 6) and result.dtype == torch.float32
        assert all(parameter.grad.shape == parameter.shape for parameter in network.parameters())


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
def test_a_mode_sees_the_operations(training):
    """Also with the C code, which it could not see: at least the products of covariances, Newton and application."""
    layer, x = SwitchWhiten2d(32, iterations=5).train(training), torch.randn(2, 32, 4, 5)
    expected = copy.deepcopy(layer)(x)
    with FlopCounterMode(display=False) as counter:
        y = layer(x)
    torch.testing.assert_close(y, expected, **CLOSE)
    n, groups, d, pixels = 2, 2, 16, 20
    passes = 2 * n * groups * d * d * pixels
    assert counter.get_total_flops() >= 2 * (passes + n * groups * 12 * d**3)  # two for each multiply-add
    graph = make_fx(layer.eval())(x)
    torch.testing.assert_close(graph(x), layer(x), **CLOSE)


def test_a_tied_layer_is_traced_when_made_ready_for_inference():
    model = nn.Sequential(nn.Conv2d(3, 16, 3), SwitchWhiten2d(16, tie_weights=True)).eval()
    x = torch.randn(2, 3, 12, 13)
    with pytest.raises(ValueError, match='parameter sharing'):  # of torch; where it is gone, the page can be shorter
        torch.jit.trace(model, x)
    traced = torch.jit.trace(for_inference(model), x)
    torch.testing.assert_close(traced(x[:1, :, :7]), model(x[:1, :, :7]), **CLOSE)


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('method', ['newton', slow('eigh')])
@pytest.mark.parametrize('statistics', OMEGAS, ids='+'.join)
def test_a_trace_is_right_at_other_sizes_and_batches(statistics, method):
    layer = SwitchWhiten2d(16, statistics=statistics, inverse_sqrt=method)
    model = nn.Sequential(nn.Conv2d(3, 16, 3), layer, nn.ReLU())
    model(torch.randn(4, 3, 9, 9) + 1)
    traced = torch.jit.trace(model.eval(), torch.randn(2, 3, 12, 13))
    stream = io.BytesIO()
    torch.jit.save(traced, stream)
    stream.seek(0)
    loaded = torch.jit.load(stream)
    for shape in ((2, 3, 12, 13), (1, 3, 20, 9), (5, 3, 7, 31)):
        x = torch.randn(shape)
        torch.testing.assert_close(loaded(x), model(x), **CLOSE)


@pytest.mark.parametrize(
    'kind, shape, other',
    [
        (SwitchWhiten1d, (4, 16), (9, 16)),
        (SwitchWhiten1d, (4, 16, 5), (2, 16, 8)),
        (SwitchWhiten3d, (2, 16, 3, 4, 5), (1, 16, 5, 2, 7)),
    ],
)
def test_a_trace_of_other_ranks(kind, shape, other):
    layer = kind(16, statistics=('bw',) if len(shape) == 2 else ('bw', 'iw')).eval()
    traced = torch.jit.trace(layer, torch.randn(shape))
    x = torch.randn(other)
    torch.testing.assert_close(traced(x), layer(x), **CLOSE)


def test_scripting_is_refused():
    with pytest.raises(RuntimeError, match='SwitchWhiten'):
        torch.jit.script(nn.Sequential(SwitchWhiten2d(16)))


def test_the_backend_that_was_chosen_stays_after_a_mode():
    with using_backend('auto'):
        layer, x = SwitchWhiten2d(16), torch.randn(2, 16, 4, 4)
        with FakeTensorMode(allow_non_fake_inputs=True):
            SwitchWhiten2d(16)(torch.randn(2, 16, 4, 4))
        torch.testing.assert_close(layer(x), copy.deepcopy(layer)(x))
