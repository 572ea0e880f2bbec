"""Defaults of torch that others set, of dtype and device, say nothing about a layer that exists: compiled code writes
fp32 into the memory that it is given, however large that is."""

import ast
import contextlib
import copy

import pytest
import torch

from sw_mmseg.whitening import BatchWhiten2d, FullSwitchWhiten2d, SwitchWhiten2d, fold, switch_whiten
from tests.helpers.source_files import REPOSITORY, python_files

from .helpers.steps import assert_equal, step

MAKERS = ('empty', 'zeros', 'ones', 'full', 'eye', 'as_tensor', 'tensor')


@contextlib.contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


DEFAULTS = {
    'float64': lambda: default_dtype(torch.float64),
    'bfloat16': lambda: default_dtype(torch.bfloat16),
    'float16': lambda: default_dtype(torch.float16),
    'another device': lambda: torch.device('meta'),
}


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize('kind', [SwitchWhiten2d, FullSwitchWhiten2d, BatchWhiten2d])
@pytest.mark.parametrize('default', DEFAULTS.values(), ids=DEFAULTS)
def test_a_step(default, kind, dtype, training):
    layer = kind(32)
    layer(torch.randn(4, 32, 6, 6))
    x, grad = torch.randn(2, 32, 9, 8).to(dtype), torch.randn(2, 32, 9, 8).to(dtype)
    expected = step(copy.deepcopy(layer).train(training), x, grad)
    with default():
        assert_equal(step(layer.train(training), x, grad), expected, rtol=0, atol=0)


@pytest.mark.parametrize('default', DEFAULTS.values(), ids=DEFAULTS)
def test_what_else_takes_a_layer(default):
    layer, x = BatchWhiten2d(16), torch.randn(2, 16, 6, 6)
    layer(x)
    layer.eval()
    expected = [layer(x), layer.diagnose(x).condition, switch_whiten(x, *layer.learned(), None, layer.settings())]
    with default():
        assert_equal(
            [
                fold(layer)[0](x),
                layer.diagnose(x).condition,
                switch_whiten(x, *layer.learned(), None, layer.settings()),
            ],
            expected,
            rtol=1e-4,
            atol=1e-5,
        )
        layer.reset_parameters()
    assert torch.equal(layer.running_cov, torch.eye(16)[None]) and layer.running_cov.dtype == torch.float32


def test_whatever_is_made_says_of_which_kind_and_where():
    calls = [
        (file, node)
        for file in python_files('sw_mmseg/whitening')
        for node in ast.walk(ast.parse((REPOSITORY / file).read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {f'torch.{name}' for name in MAKERS}
    ]
    assert len(calls) > 10
    for file, node in calls:
        words = {keyword.arg for keyword in node.keywords}
        assert {'dtype', 'device'} <= words or None in words, f'{file}:{node.lineno}'
