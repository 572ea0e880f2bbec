"""A switchable layer as one node of an ONNX graph, in ONNX Runtime as it comes, against the layer in torch."""

import pytest
import torch
from torch import nn

from sw_mmseg.running.onnx_function import DOMAIN, add_functions, with_nodes
from sw_mmseg.whitening import SwitchWhiten2d, for_inference

onnx = pytest.importorskip('onnx')
runtime = pytest.importorskip('onnxruntime')
CASES = {
    'SWa': dict(statistics=('bw', 'iw')),
    'SWb': dict(statistics=('bw', 'iw', 'bn', 'in')),
    'IW': dict(statistics=('iw',), iterations=1),
    'no gain': dict(statistics=('bw', 'iw'), affine=False, group_size=4),
    'T=8': dict(statistics=('bw', 'iw'), iterations=8, group_size=4),
    'variances': dict(statistics=('bn', 'in')),
    'with ln': dict(statistics=('bw', 'iw', 'bn', 'in', 'ln')),
}


def trained(*options, channels=16):
    """Conv, layer, ReLU for each, with values away from their start."""
    torch.manual_seed(1)
    layers = []
    for index, words in enumerate(options):
        layers += [
            nn.Conv2d(channels if index else 3, channels, 3, padding=1),
            SwitchWhiten2d(channels, **words),
            nn.ReLU(),
        ]
        for parameter in layers[-2].parameters():
            nn.init.normal_(parameter, 1.0, 0.3)
    model = nn.Sequential(*layers)
    for _ in range(3):
        model(2 * torch.randn(4, 3, 14, 14) + 1)
    return model.eval()


def written(model, file):
    axes = {'x': {0: 'n', 2: 'h', 3: 'w'}}
    torch.onnx.export(
        with_nodes(for_inference(model)),
        (torch.randn(1, 3, 12, 16),),
        str(file),
        dynamo=False,
        input_names=['x'],
        dynamic_axes=axes,
        opset_version=17,
        custom_opsets={DOMAIN: 1},
    )
    add_functions(file, 17)
    return onnx.load(file)


@pytest.mark.parametrize('case', CASES)
def test_runtime_gives_what_torch_gives(case, tmp_path):
    model = trained(CASES[case])
    graph = written(model, tmp_path / 'model.onnx').graph
    assert (DOMAIN in {node.domain for node in graph.node}) == (case != 'with ln')
    session = runtime.InferenceSession(tmp_path / 'model.onnx', providers=['CPUExecutionProvider'])
    for shape in ((1, 3, 12, 16), (3, 3, 21, 9)):
        x = 3 * torch.randn(shape)
        (output,) = session.run(None, {'x': x.numpy()})
        torch.testing.assert_close(torch.from_numpy(output), model(x).detach(), rtol=1e-4, atol=1e-4)


def test_no_wrong_shape_is_declared(tmp_path):
    """torch's exporter gives heights and widths behind all layers one name, whatever is pooled between them, so that
    ONNX Runtime takes a buffer for one that is as large, and warns in every run."""
    model = nn.Sequential(*trained(CASES['SWa']), nn.MaxPool2d(2), *trained(CASES['SWa'])[1:]).eval()
    values = written(model, tmp_path / 'model.onnx').graph.value_info
    heights = [value.type.tensor_type.shape.dim[2].dim_param for value in values]
    assert len(heights) == len(set(heights))


def test_twenty_layers_take_a_node_each_and_one_function(tmp_path):
    """Of the layers themselves torch's exporter makes 8,516 nodes."""
    model = written(trained(*[CASES['SWa']] * 20), tmp_path / 'model.onnx')
    kinds = [node.op_type for node in model.graph.node if node.op_type not in ('Identity', 'Constant')]
    assert sorted(set(kinds)) == ['Conv', 'Relu', 'SwitchWhiten_T5'] and len(kinds) == 60
    (function,) = model.functions
    assert len(function.node) <= 46
    import onnx.inliner

    flat = onnx.inliner.inline_local_functions(model)
    every = [node.op_type for node in (*flat.graph.node, *function.node)]
    assert 'If' not in every and not flat.functions
    assert len([kind for kind in every if kind not in ('Identity', 'Constant')]) <= 20 * 46 + 100


def test_a_model_without_such_layers_is_left_as_it_is(tmp_path):
    assert not written(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()).eval(), tmp_path / 'model.onnx').functions
