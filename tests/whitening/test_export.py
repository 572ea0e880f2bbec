"""Networks in evaluation mode, exported: `torch.export` and ONNX at sizes that they were not exported with."""

import copy

import pytest
import torch
from torch import nn

from sw_mmseg.whitening import PRESETS, BatchWhiten2d, SwitchWhiten2d, fold_model

SHAPES = [(2, 3, 9, 10), (1, 3, 20, 7), (5, 3, 6, 31)]  # the first is the one exported with
OMEGAS = [PRESETS[name] for name in ('SWa', 'SWb', 'SN', 'BW', 'IW')]
EXACT = dict(rtol=1e-4, atol=1e-4)


def network(*norms, channels=16):
    """Conv, norm, ReLU for each norm, the second at half the size, with running statistics of three batches."""
    layers = []
    for index, norm in enumerate(norms):
        conv = nn.Conv2d(channels if index else 3, channels, 3, padding=1, stride=1 + (index == 1))
        layers += [conv, norm(channels), nn.ReLU(inplace=True)]
    model = nn.Sequential(*layers)
    for _ in range(3):
        model(torch.randn(4, 3, 12, 12) + 1)
    return model.eval()


def norms(method):
    return [lambda c, words=words: SwitchWhiten2d(c, statistics=words, inverse_sqrt=method) for words in OMEGAS]


def dynamic():
    return (
        {
            0: torch.export.Dim('batch', min=1, max=64),
            2: torch.export.Dim('height', min=4, max=4096),
            3: torch.export.Dim('width', min=4, max=4096),
        },
    )


@pytest.mark.parametrize('strict', [False, pytest.param(True, marks=pytest.mark.slow)], ids=['', 'strict'])
@pytest.mark.parametrize('method', ['newton', 'eigh'])
def test_torch_export(method, strict, tmp_path):
    model = network(*(norms(method) if method == 'newton' else norms(method)[:1]))
    program = torch.export.export(model, (torch.randn(SHAPES[0]),), dynamic_shapes=dynamic(), strict=strict)
    assert 'sw_mmseg' not in program.graph_module.code  # torch's operations alone: it loads without this package
    torch.export.save(program, tmp_path / 'model.pt2')
    loaded = torch.export.load(tmp_path / 'model.pt2').module()
    for shape in SHAPES:
        x = torch.randn(shape)
        torch.testing.assert_close(loaded(x), model(x), **EXACT)


@pytest.fixture
def to_onnx(tmp_path):
    """A function that exports a model and returns it as run by ONNX Runtime."""
    pytest.importorskip('onnx')
    pytest.importorskip('onnxscript')
    runtime = pytest.importorskip('onnxruntime')

    def run(model):
        path = tmp_path / 'model.onnx'
        torch.onnx.export(model, (torch.randn(SHAPES[0]),), path, dynamo=True, dynamic_shapes=dynamic(), verbose=False)
        session = runtime.InferenceSession(path, providers=['CPUExecutionProvider'])
        name = session.get_inputs()[0].name
        return lambda x: torch.from_numpy(session.run(None, {name: x.numpy()})[0])

    return run


def test_onnx_runtime_agrees(to_onnx):
    model = network(*norms('newton'))
    exported = to_onnx(model)
    for shape in SHAPES:
        x = torch.randn(shape)
        torch.testing.assert_close(exported(x), model(x).detach(), **EXACT)


@pytest.mark.slow
def test_eigh_has_no_onnx_operator_and_iterations_replace_it(to_onnx):
    """Fifteen iterations are as good as the decomposition where covariances are well conditioned."""
    model = network(norms('eigh')[0])
    with pytest.raises(torch.onnx.errors.OnnxExporterError):
        to_onnx(model)
    x = torch.randn(SHAPES[1])
    expected = model(x).detach()
    model[1].inverse_sqrt, model[1].iterations = 'newton', 15
    torch.testing.assert_close(to_onnx(model)(x), expected, rtol=1e-3, atol=1e-3)


def test_a_folded_network_exports_as_convolutions(to_onnx):
    model = network(BatchWhiten2d, BatchWhiten2d)
    folded, reports = fold_model(model)
    assert [report.into for report in reports] == ['0', '3']
    exported = to_onnx(folded)
    for shape in SHAPES:
        x = torch.randn(shape)
        torch.testing.assert_close(exported(x), model(x).detach(), **EXACT)


def test_export_leaves_the_model_alone():
    model = network(SwitchWhiten2d)
    before = copy.deepcopy(model.state_dict())
    torch.export.export(model, (torch.randn(SHAPES[0]),), dynamic_shapes=dynamic())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    x = torch.randn(SHAPES[0], requires_grad=True)
    model(x).sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize('words', OMEGAS, ids='+'.join)
def test_the_older_exporter_to_onnx(words, tmp_path):
    """Through `torch.jit.trace`, at other sizes and batches than it was exported with."""
    pytest.importorskip('onnx')
    runtime = pytest.importorskip('onnxruntime')
    model = network(lambda c: SwitchWhiten2d(c, statistics=words))
    axes = {'images': {0: 'batch', 2: 'height', 3: 'width'}}
    torch.onnx.export(
        model,
        (torch.randn(SHAPES[0]),),
        tmp_path / 'model.onnx',
        dynamo=False,
        input_names=['images'],
        dynamic_axes=axes,
    )
    session = runtime.InferenceSession(tmp_path / 'model.onnx', providers=['CPUExecutionProvider'])
    for shape in SHAPES:
        x = torch.randn(shape)
        (output,) = session.run(None, {'images': x.numpy()})
        torch.testing.assert_close(torch.from_numpy(output), model(x).detach(), **EXACT)


def test_the_older_exporter_has_no_eigh(tmp_path):
    pytest.importorskip('onnx')
    model = network(lambda c: SwitchWhiten2d(c, inverse_sqrt='eigh'))
    with pytest.raises(torch.onnx.errors.UnsupportedOperatorError, match='eigh'):
        torch.onnx.export(model, (torch.randn(SHAPES[0]),), tmp_path / 'model.onnx', dynamo=False)


def test_exported_under_autocast_it_whitens_in_full_precision():
    """Of inputs in fp32 autocast would make bf16 for each product; the layer itself lets none reach inside."""
    model = nn.Sequential(nn.Identity(), network(norms('newton')[0])[1])
    x = torch.randn(2, 16, 9, 8)
    with torch.autocast('cpu', torch.bfloat16):
        program = torch.export.export(model, (x,))
        y = program.module()(x)
    torch.testing.assert_close(y, model(x), **EXACT)
