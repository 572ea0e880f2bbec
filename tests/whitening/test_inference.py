"""Layers made ready for a graph: the values of the equations for every Ω, at any size, in few nodes."""

import copy

import pytest
import torch
from torch import nn

from sw_mmseg.whitening import PRESETS, BatchWhiten2d, SwitchWhiten1d, SwitchWhiten2d, fold_model, for_inference
from sw_mmseg.whitening.inference import InferenceWhiten
from tests.whitening.helpers import oracle
from tests.whitening.helpers.reference import SUBSETS

OF_IMAGES = [words for words in SUBSETS if {'iw', 'in', 'ln'} & set(words)]


def layer_of(words, channels=8, **options):
    """A layer none of whose values is the one that it starts with."""
    layer = SwitchWhiten2d(channels, statistics=words, **options).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 1.0, 0.7)
    for _ in range(2):
        layer(3 * torch.randn(3, channels, 5, 6, dtype=torch.float64) - 1)
    return layer.eval()


@pytest.mark.parametrize('words', OF_IMAGES, ids='+'.join)
@pytest.mark.parametrize('size', [1, 4])
def test_it_is_what_the_equations_say(words, size):
    layer = layer_of(words, group_size=size)
    options = oracle.Options(layer.statistics, layer.group_size, layer.eps, 'newton', layer.iterations)
    running = None if layer.running_mean is None else (layer.running_mean, layer.running_cov)
    x = 2 * torch.randn(2, 8, 5, 7, dtype=torch.float64) + 3
    with torch.no_grad():
        arguments = (layer.weight, layer.bias, layer.mean_logits, layer.cov_logits, options, running)
        expected, _ = oracle.switch_whiten(x.flatten(2), *arguments)
        torch.testing.assert_close(InferenceWhiten(layer)(x).flatten(2), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    'options',
    [dict(iterations=1), dict(iterations=2), dict(inverse_sqrt='eigh'), dict(affine=False), dict(tie_weights=True)],
    ids=str,
)
def test_options_of_the_layer_hold(options):
    layer = layer_of(('bw', 'iw', 'ln'), group_size=4, **options)
    x = torch.randn(2, 8, 6, 3, dtype=torch.float64)
    torch.testing.assert_close(InferenceWhiten(layer)(x), layer(x).detach(), rtol=1e-9, atol=1e-9)


def test_a_model_keeps_all_else_and_is_left_alone():
    model = nn.Sequential(
        nn.Conv1d(3, 8, 3), SwitchWhiten1d(8, group_size=4), nn.Sequential(nn.ReLU(), nn.Conv1d(8, 2, 1))
    )
    model(torch.randn(4, 3, 9))
    model.eval()
    before = copy.deepcopy(model.state_dict())
    ready = for_inference(model)
    assert isinstance(ready[1], InferenceWhiten) and isinstance(model[1], SwitchWhiten1d)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    x = torch.randn(2, 3, 11)
    torch.testing.assert_close(ready(x), model(x), rtol=1e-4, atol=1e-5)
    assert isinstance(for_inference(SwitchWhiten2d(16).eval()), InferenceWhiten)
    assert isinstance(for_inference(BatchWhiten2d(16).eval()), BatchWhiten2d)


@pytest.mark.parametrize('options', [{}, dict(inverse_sqrt='eigh'), dict(statistics=PRESETS['SN'])], ids=str)
@pytest.mark.parametrize('kind, shape', [(SwitchWhiten1d, ()), (SwitchWhiten1d, (7,)), (SwitchWhiten2d, (5, 6))])
def test_a_batch_of_any_number_of_images(kind, shape, options):
    layer = kind(16, **options).double()
    layer(torch.randn(20, 16, *shape, dtype=torch.float64) + 1)
    ready = for_inference(layer.eval())
    for images in (0, 1, 3):
        x = torch.randn(images, 16, *shape, dtype=torch.float64)
        torch.testing.assert_close(ready(x), layer(x).detach(), rtol=1e-9, atol=1e-9)


def test_low_precision_keeps_its_dtype_and_computes_in_fp32():
    layer = SwitchWhiten2d(8, group_size=4).to(torch.bfloat16).eval()
    x = torch.randn(2, 8, 6, 5)
    ready = InferenceWhiten(layer)
    assert ready.batch_cov.dtype == torch.float32
    output = ready(x.bfloat16())
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output, layer(x.bfloat16()).detach())


@pytest.mark.parametrize('method', ['newton', 'eigh'])
def test_autocast_does_not_reach_inside(method):
    layer = layer_of(('bw', 'iw', 'ln'), group_size=4, inverse_sqrt=method).float()
    ready, x = InferenceWhiten(layer), torch.randn(2, 8, 6, 7)
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        y = ready(x)
    assert y.dtype == torch.float32
    options = oracle.Options(layer.statistics, 4, layer.eps, method, layer.iterations)
    learned = [parameter.detach().double() for parameter in layer.learned()]
    running = layer.running_mean.double(), layer.running_cov.double()
    expected, _ = oracle.switch_whiten(x.double().flatten(2), *learned, options, running)
    torch.testing.assert_close(y.double().flatten(2), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    'layer, message',
    [
        (SwitchWhiten2d(16), 'training mode'),
        (BatchWhiten2d(16).eval(), 'fold_model'),
        (SwitchWhiten2d(16, track_running_stats=False).eval(), 'no running statistics'),
    ],
    ids=['training', 'batch', 'untracked'],
)
def test_what_cannot_be_made_ready_is_said(layer, message):
    with pytest.raises(ValueError, match=message):
        InferenceWhiten(layer)


def test_an_error_names_the_layer():
    with pytest.raises(ValueError, match='0: the layer is in training mode'):
        for_inference(nn.Sequential(SwitchWhiten2d(16)))


def deep(count, channels=16):
    """Convolutions, each with a layer of SWa behind it."""
    layers = []
    for index in range(count):
        layers += [nn.Conv2d(channels if index else 3, channels, 3, padding=1), SwitchWhiten2d(channels), nn.ReLU()]
    model = nn.Sequential(*layers)
    model(torch.randn(4, 3, 12, 12))
    return model.eval()


@pytest.mark.parametrize('dynamo', [False, pytest.param(True, marks=pytest.mark.slow)], ids=['', 'dynamo'])
def test_an_onnx_graph_is_small_and_has_no_branch(dynamo, tmp_path):
    """62 nodes a layer at most, where the layer itself gives some 400; two sizes, default options of the session."""
    onnx, runtime = pytest.importorskip('onnx'), pytest.importorskip('onnxruntime')
    model, file = deep(2), tmp_path / 'model.onnx'
    ready, image = for_inference(model), torch.randn(2, 3, 9, 10)
    if dynamo:
        sides = {0: torch.export.Dim('n', min=1, max=64)} | {
            side: torch.export.Dim(f's{side}', min=4, max=4096) for side in (2, 3)
        }
        torch.onnx.export(ready, (image,), file, input_names=['x'], dynamic_shapes=(sides,), verbose=False)
    else:
        axes = {'x': {0: 'n', 2: 'h', 3: 'w'}}
        torch.onnx.export(ready, (image,), file, dynamo=False, input_names=['x'], dynamic_axes=axes)
    nodes = [node.op_type for node in onnx.load(file).graph.node if node.op_type != 'Constant']
    assert 'If' not in nodes and len(nodes) <= 2 * 62 + 4, len(nodes)
    session = runtime.InferenceSession(file, providers=['CPUExecutionProvider'])
    for shape in ((2, 3, 9, 10), (1, 3, 20, 7)):
        x = torch.randn(shape)
        (output,) = session.run(None, {'x': x.numpy()})
        torch.testing.assert_close(torch.from_numpy(output), model(x).detach(), rtol=1e-4, atol=1e-4)


def test_what_folds_is_folded_first_and_the_rest_made_ready():
    model = nn.Sequential(*deep(1), nn.Conv2d(16, 8, 1), BatchWhiten2d(8, group_size=4).eval()).eval()
    folded, reports = fold_model(model, strict=False)
    assert [report.name for report in reports] == ['4']
    ready = for_inference(folded)
    assert not any(isinstance(module, SwitchWhiten2d) for module in ready.modules())
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(ready(x), model(x), rtol=1e-4, atol=1e-5)


def test_presets_with_image_statistics_are_covered():
    assert {'SWa', 'SWb', 'SN', 'IW'} <= {name for name, words in PRESETS.items() if tuple(words) in OF_IMAGES}
