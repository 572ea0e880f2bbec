"""Triton's Newton iteration, its algebra and a layer on it against torch in fp64; `conftest` says where they run."""

import itertools

import pytest
import torch

from sw_mmseg.whitening.autograd import SwitchWhitenFunction, computation
from sw_mmseg.whitening.backends import Counters, torch_backend
from sw_mmseg.whitening.backends.triton import backend as triton_backend
from sw_mmseg.whitening.maths import Moments, Parameters, Settings
from sw_mmseg.whitening.maths.inverse_sqrt import newton
from tests.helpers.slow_cases import one_in, slow

from .cases import FULL, B, F, close, draw, small


@pytest.mark.parametrize('case', one_in(4, list(itertools.product([2, 5, 16, 20, 64], [1, 2, 5]))))
def test_newton(case, device):
    """Against the iteration in fp64, and its gradient by autograd."""
    d, iterations = case
    factor = torch.randn(2, 3, d, d + 3, dtype=torch.float64)
    cov = (factor @ factor.mT / d).requires_grad_()
    grad = torch.randn(2, 3, d, d, dtype=torch.float64)
    grad = grad + grad.mT
    root = newton(cov, iterations)
    (exact,) = torch.autograd.grad(root, cov, grad)
    close(triton_backend.newton(cov.float(), iterations), root.detach(), 1e-5)
    result = triton_backend.newton_backward(grad.float(), cov.float(), iterations)
    close(result, (exact + exact.mT) / 2, 1e-5)
    assert torch.equal(result, result.mT)


def test_newton_of_no_matrix(device):
    none = torch.empty(0, 2, 16, 16)
    assert triton_backend.newton(none, 5).shape == triton_backend.newton_backward(none, none, 5).shape == none.shape


def moments(n, g, d, mean=0.0):
    factor = small(n, g, d, d + 3)
    return Moments(small(n, g, d) + mean, factor @ factor.mT / d)


def wide(value):
    """The same in fp64, whatever is nested in it."""
    if isinstance(value, torch.Tensor):
        return value.double()
    return type(value)(*map(wide, value)) if isinstance(value, tuple) and hasattr(value, '_fields') else value


def compare(results, exact, tolerance):
    for value, other in zip(results, exact):
        if isinstance(value, tuple):
            compare(value, other, tolerance)
        elif value is None:
            assert other is None
        else:
            close(value, other.expand(value.shape), tolerance, least=1)  # some are zero but for rounding


@pytest.mark.parametrize(
    'case',
    [
        'bw',
        'iw',
        'bw+iw',
        'bw+bn',
        'iw+ln',
        'bn+iw+in',
        'bw+in+ln',
        'ln+in+bn+iw+bw',
        'given bw',
        'given bw+iw',
        'given bn+iw+ln',
        'single bn',
        'single in',
        'single bn+in+ln',
        'single given bn',
        'single given bn+in+ln',
    ],
)
def test_algebra(case, device):
    """Every step against the same in torch and fp64, with batch moments of the batch or given."""
    words, given, single = tuple(case.split()[-1].split('+')), 'given' in case, case.startswith('single')
    n, g, d = 3, 2, 1 if single else 4
    settings = Settings(words, d, 1e-3, 'eigh' if single else 'newton', 5)  # all the same for single channels
    affine_parameters = (small(2, g * d).T[:, 0], small(1).expand(g * d)) if len(words) != 2 else (None, None)
    parameters = Parameters(*affine_parameters, small(2 * len(words))[::2], small(len(words)))  # not all side by side
    sample = None if given and {'iw', 'in', 'ln'}.isdisjoint(words) else moments(n, g, d, 3.0)
    batch = None if {'bw', 'bn'}.isdisjoint(words) else moments(1, g, d, 3.0)
    shift = None if sample is None else sample.mean
    total, product, share, length = small(n, g, d), small(n, g, d, d), torch.tensor(0.25), 7
    ours, torchs = triton_backend.algebra(settings), torch_backend.algebra(settings)
    if batch is not None and not given:
        batch = ours.pool(sample)
        compare(batch, torchs.pool(wide(sample)), FULL)
    affine = ours.mix_to_affine(sample, batch, shift, parameters, settings)
    exact = torchs.mix_to_affine(*map(wide, (sample, batch, shift, parameters)), settings)
    compare(affine, exact, 1e-5)
    arguments = sample, batch, shift, parameters
    grads = ours.mix_to_affine_backward(total, product, *arguments, affine, settings)
    compare(grads, torchs.mix_to_affine_backward(*map(wide, (total, product, *arguments)), exact, settings), 1e-5)
    of_batch = None if given else grads.batch
    if of_batch is None and {'iw', 'in', 'ln'}.isdisjoint(words):
        return
    for portion in (share, 0.25):
        matrices = ours.input_matrices(grads.mixed, of_batch, *arguments, settings, portion, length)
        exact = torchs.input_matrices(*map(wide, (grads.mixed, of_batch, *arguments)), settings, 0.25, length)
        compare(matrices, exact, 1e-5)


@pytest.mark.parametrize('words', [('bw', 'iw'), slow(('bw',)), slow(('bn', 'in', 'ln')), ('bn',)])
def test_the_whole_layer(words, monkeypatch, device):
    """Output and every gradient as in torch, in fp64."""
    settings = Settings(words, 8 if 'bw' in words else 1, 1e-3, 'newton', 5)
    x = draw((3, 2, 8, (9, 10), F, True))
    grad = torch.randn_like(x)
    parameters = [small(16), small(16), small(len(words)), small(len(words))]

    def run(kernels, dtype):
        monkeypatch.setattr(computation, 'select', lambda *_: kernels)
        inputs = [tensor.to(dtype, copy=True).requires_grad_() for tensor in (x, *parameters)]
        y, *_ = SwitchWhitenFunction.apply(*inputs, None, settings)
        y.backward(grad.to(dtype))
        return y.detach(), *(tensor.grad for tensor in inputs)

    for value, exact in zip(run(triton_backend, torch.float32), run(torch_backend, torch.float64)):
        close(value, exact, 2e-5)


@pytest.mark.parametrize('words', [('iw',), ('bw', 'ln')])
def test_a_layer_without_samples(words, monkeypatch, device):
    monkeypatch.setattr(computation, 'select', lambda *_: triton_backend)
    x = torch.empty(0, 8, 3, 3, requires_grad=True)
    parameters = [small(size).requires_grad_() for size in (8, 8, len(words), len(words))]
    running = Moments(small(1, 2, 4), moments(1, 2, 4).cov)
    y, *_ = SwitchWhitenFunction.apply(x, *parameters, running, Settings(words, 4, 1e-5, 'newton', 5))
    y.sum().backward()
    assert y.shape == x.grad.shape == x.shape
    assert all(torch.equal(parameter.grad, torch.zeros_like(parameter)) for parameter in parameters)


@pytest.mark.parametrize('dtype', [F, B, torch.float64])
@pytest.mark.parametrize('g, d', [(5, 1), (3, 2), (9, 16)])  # of the last the covariance takes several programs
def test_running_statistics(g, d, dtype, device):
    mean, cov = small(g * d), moments(1, g, d).cov[0]
    running, counters = Moments(small(g * d).to(dtype), small(g, d, d).to(dtype)), Counters(*torch.tensor([6, 2]))
    expected = Moments(*(tensor.clone() for tensor in running))
    triton_backend.track(running, counters, Moments(mean, cov), 0.1, 1.25, 1)
    torch_backend.track(expected, Counters(*torch.tensor([6, 2])), Moments(mean, cov), 0.1, 1.25, 1)
    assert counters == (7, 2)
    for value, other in zip(running, expected):
        assert value.dtype is dtype
        close(value, other.double(), {F: 1e-6, B: 2**-6, torch.float64: 0}[dtype])


@pytest.mark.parametrize('value', [float('inf'), float('nan'), 3e38])  # the last is infinite when unbiased
@pytest.mark.parametrize('channel', [0, 143])  # also where another program than the first moves its covariance
def test_running_statistics_stay_where_moments_are_not_finite(channel, value, device):
    mean, cov = small(144), moments(1, 9, 16).cov[0]
    cov[channel // 16, channel % 16, channel % 16] = value
    running, counters = Moments(small(144), small(9, 16, 16)), Counters(*torch.tensor([6, 2]))
    before = [tensor.clone() for tensor in running]
    triton_backend.track(running, counters, Moments(mean, cov), 0.1, 1.25, 1)
    assert counters == (6, 3) and all(torch.equal(ours, old) for ours, old in zip(running, before))


def test_a_device_where_triton_fails_is_not_supported(monkeypatch, caplog, device):
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda _: (9, 0))
    triton_backend._runs_on.cache_clear()
    assert triton_backend._runs_on(torch.empty(0).device)

    def fail(*_):
        raise RuntimeError('no C compiler')

    monkeypatch.setattr(triton_backend, 'newton', fail)
    triton_backend._runs_on.cache_clear()
    assert not triton_backend._runs_on(torch.empty(0).device) and 'no C compiler' in caplog.text
    triton_backend._runs_on.cache_clear()


def test_the_benchmark_calls_every_pass(device):
    """With the bytes of the activation that each must move: reads and writes."""
    from sw_mmseg.benchmark import kernels as tool

    x, dy, y = (tool.draw((2, 16, 4, 4), B, True, torch.empty(0).device) for _ in range(3))
    work = tool.passes(x, dy, y, 16)
    results = {name: call() for name, (call, _) in work.items()}
    assert torch.equal(results['copy'], x) and y is results['copy']
    assert results['apply'].shape == results['apply gradient'].shape == x.shape
    assert [moved for _, moved in work.values()] == [2, 1, 2, 2, 3]
