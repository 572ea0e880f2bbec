"""Half and single precision against double; covariances that have no inverse, or nearly none."""

import copy
import math
import threading

import pytest
import torch
from torch import nn

from sw_mmseg.whitening import PRESETS, SwitchWhiten2d
from sw_mmseg.whitening.autograd import full_precision
from tests.helpers.slow_cases import slow

OMEGAS = [PRESETS[name] for name in ('SWa', 'SWb', 'SN', 'BW', 'IW', 'BN')]
METHODS = [dict(inverse_sqrt='newton', iterations=iterations) for iterations in (3, 5, 7, 15)] + [
    dict(inverse_sqrt='eigh')
]
HALVES = [torch.float16, torch.bfloat16]


def all_gradients(layer, x, grad):
    """Output and gradients, in double."""
    x = x.clone().requires_grad_()
    y = layer(x)
    y.backward(grad.to(y.dtype))
    return [tensor.detach().double() for tensor in (y, x.grad, *[p.grad for p in layer.parameters()])]


def pair(**options):
    """The same layer in single and in double."""
    layer = SwitchWhiten2d(16, **options)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 0.5, 0.5)
    return layer, copy.deepcopy(layer).double()


def mixed(shape=(3, 16, 12, 12)):
    """Correlated channels in double; standard deviations between 0.5 and 2 in every direction."""
    left, right = (torch.linalg.qr(torch.randn(shape[1], shape[1], dtype=torch.float64))[0] for _ in range(2))
    mixing = left * torch.linspace(0.5, 2, shape[1]) @ right
    return torch.einsum('cd,ndhw->nchw', mixing, torch.randn(shape, dtype=torch.float64))


def relative(ours, exact):
    """The largest difference beside the largest value; a gradient that is zero beside 1e-3."""
    return ((ours - exact).abs().max() / exact.abs().max().clamp_min(1e-3)).item()


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('method', ['newton', 'eigh'])
@pytest.mark.parametrize('dtype', HALVES, ids=str)
@pytest.mark.parametrize('statistics', OMEGAS, ids='+'.join)
def test_activations_up_to_60000_in_half(statistics, dtype, method):
    single, double = pair(statistics=statistics, inverse_sqrt=method)
    x = (mixed() * 2e4).clamp(-6e4, 6e4).to(dtype)
    x[0, 0, 0, 0] = 6e4
    grad = torch.randn(x.shape)
    assert single(x).dtype == dtype
    ours, exact = all_gradients(single, x, grad.to(dtype)), all_gradients(double, x.double(), grad.to(dtype).double())
    assert all(torch.isfinite(tensor).all() for tensor in ours)
    step = torch.finfo(dtype).eps
    assert relative(ours[0], exact[0]) < step  # the output's rounding is all there is
    # a gradient at the scale of 1e-5 is among half's subnormal numbers, 6e-8 apart
    torch.testing.assert_close(ours[1], exact[1], rtol=step, atol=6e-8 + step * exact[1].abs().max().item())
    for gradient, expected in zip(ours[2:], exact[2:]):
        torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())


@pytest.mark.parametrize('dtype', HALVES, ids=str)
def test_autocast_passes_the_dtype_of_the_convolution_on(dtype):
    model = nn.Sequential(nn.Conv2d(3, 16, 3), SwitchWhiten2d(16))
    seen = []
    model[1].register_forward_hook(lambda _, inputs, output: seen.append((inputs[0].dtype, output.dtype)))
    with torch.autocast('cpu', dtype=dtype):
        model(torch.randn(2, 3, 8, 8)).float().sum().backward()
        model.eval()(torch.randn(2, 3, 8, 8))
    assert seen == [(dtype, dtype)] * 2
    assert model[1].running_cov.dtype == model[1].weight.grad.dtype == torch.float32


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize('method', ['newton', 'eigh'])
@pytest.mark.parametrize('statistics', OMEGAS, ids='+'.join)
def test_means_of_a_thousand_deviations(statistics, method, training):
    single, double = pair(statistics=statistics, inverse_sqrt=method, momentum=1.0)
    x = mixed()
    x = (x + 1000 * x.std() * torch.sign(torch.randn(16, 1, 1, dtype=torch.float64))).float()  # what fp32 can hold
    for layer in (single, double):
        layer(x.to(layer.weight.dtype))  # the running statistics of this input
        layer.train(training)
    grad = torch.randn(x.shape)
    names = ['output', 'input', *dict(single.named_parameters())]
    for name, ours, exact in zip(names, all_gradients(single, x, grad), all_gradients(double, x.double(), grad)):
        # the gradient of these is a difference of means, which fp32 holds to 1e-4 of a standard deviation
        assert relative(ours, exact) < (1e-2 if name == 'mean_logits' else 1e-3), name


def deficient(kind):
    x = torch.randn(3, 16, 12, 12)
    turn = torch.linalg.qr(torch.randn(16, 16))[0]
    falling = torch.einsum('cd,ndhw->nchw', turn * torch.logspace(0, -6, 16), x)  # condition 1e12
    return {
        'falling': falling,
        'falling, large': 1e6 * falling,
        'rank one': x[:, :1].expand(-1, 16, -1, -1),
        'constant': torch.full_like(x, 7.0),
        'one constant channel': torch.where(torch.arange(16).view(-1, 1, 1) == 3, 7.0, x),
        'few pixels': x[..., :1, :3],
        'tiny': 1e-25 * x,
        'huge': 1e15 * x,
    }[kind]


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('options', METHODS, ids=lambda options: '-'.join(map(str, options.values())))
@pytest.mark.parametrize(
    'kind', ['falling', 'falling, large', 'rank one', 'constant', 'one constant channel', 'few pixels', 'tiny', 'huge']
)
@pytest.mark.parametrize('statistics', [PRESETS['SWa'], slow(PRESETS['BW']), PRESETS['IW']], ids='+'.join)
def test_a_covariance_without_an_inverse(statistics, kind, options):
    """Finite everywhere. With one statistic |y| ≤ √(number of pixels), since no direction has more than unit variance,
    and Newton, which comes from below, stays under that too."""
    layer, x = SwitchWhiten2d(16, statistics=statistics, **options), deficient(kind)
    x = x.clone().requires_grad_()
    y = layer(x)
    y.backward(torch.randn(y.shape))
    tensors = [y, x.grad, *layer.buffers(), *[p.grad for p in layer.parameters()]]
    assert all(torch.isfinite(tensor).all() for tensor in tensors)
    pixels = x[0, 0].numel() * (len(x) if statistics == ('bw',) else 1)
    if len(statistics) == 1:
        assert y.abs().max() < 1.01 * math.sqrt(pixels)
    y = layer.eval()(x.detach())
    assert torch.isfinite(y).all()


@pytest.fixture
def medium():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision('medium')
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('method', ['newton', 'eigh'])
def test_reduced_precision_of_matrix_products_is_not_seen(medium, method):
    """'medium' lets a processor with the instructions for it multiply in bfloat16, which is off by 4e-3."""
    single, double = pair(statistics=PRESETS['SWa'], inverse_sqrt=method)
    x, grad = mixed((4, 16, 32, 32)), torch.randn(4, 16, 32, 32)
    for ours, exact in zip(all_gradients(single, x.float(), grad), all_gradients(double, x.float().double(), grad)):
        assert relative(ours, exact) < 1e-4


def test_overlapping_islands_keep_full_precision_to_the_last(medium):
    """Of two threads, the one that leaves first must not take the precision of the other."""
    device, entered, overlapping, left = torch.device('cpu'), threading.Event(), threading.Event(), threading.Event()

    def first():
        with full_precision(device):
            entered.set()
            overlapping.wait()
        left.set()

    before = torch.backends.mkldnn.matmul.fp32_precision
    thread = threading.Thread(target=first)
    thread.start()
    entered.wait()
    with full_precision(device):
        overlapping.set()
        left.wait()
        inside = torch.backends.mkldnn.matmul.fp32_precision
    thread.join()
    assert before != 'ieee' and inside == 'ieee'
    assert torch.backends.mkldnn.matmul.fp32_precision == before


def test_matrix_products_keep_their_digits_whatever_is_set():
    """No machine here has TF32, but what its setting is inside the layer can be seen."""
    matmul = torch.backends.cuda.matmul
    torch.set_float32_matmul_precision('high')
    try:
        with full_precision(torch.device('cuda')):
            assert matmul.fp32_precision == 'ieee'
        assert matmul.fp32_precision == 'tf32' and matmul.allow_tf32
        with pytest.raises(ZeroDivisionError), full_precision(torch.device('cuda')):
            raise ZeroDivisionError
        assert torch.get_float32_matmul_precision() == 'high'
    finally:
        torch.set_float32_matmul_precision('highest')
    torch.backends.mkldnn.matmul.fp32_precision = 'bf16'
    try:
        with torch.autocast('cpu', dtype=torch.bfloat16), full_precision(torch.device('cpu')):
            assert torch.backends.mkldnn.matmul.fp32_precision == 'ieee' and not torch.is_autocast_enabled('cpu')
        assert torch.backends.mkldnn.matmul.fp32_precision == 'bf16'
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = 'none'
