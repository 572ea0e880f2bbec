"""A layer in six kernels against torch in fp64: output, gradients, running statistics; `conftest` says where."""

from typing import NamedTuple

import pytest
import torch

from sw_mmseg.whitening.autograd import Running, SwitchWhitenFunction, computation, whiten_whole
from sw_mmseg.whitening.backends import torch_backend
from sw_mmseg.whitening.backends.triton import backend as triton_backend
from sw_mmseg.whitening.backends.triton import call, tickets
from sw_mmseg.whitening.backends.triton import layer as recipes
from sw_mmseg.whitening.maths import Moments, Parameters, Settings
from tests.helpers.slow_cases import slow

from .cases import B, F, close, small
from .conftest import INTERPRETED

SWA, SWB = ('bw', 'iw'), ('bw', 'iw', 'bn', 'in', 'ln')


class Case(NamedTuple):
    """N samples of G groups of D channels, and how they are whitened."""

    words: tuple[str, ...]
    n: int
    g: int
    d: int
    spatial: tuple[int, ...] = (5, 4)
    last: bool = False
    given: bool = False  # batch moments
    affine: bool = True
    processors: int = 1  # of many, each sample has several chunks
    dtype: torch.dtype = F
    bunch: int = 32  # chunks that one program joins
    pooled: int = 64  # samples that each program of `mix_kernel` pools


CASES = [
    Case(SWA, 2, 2, 16),
    Case(SWB, 3, 2, 8, last=True),
    slow(Case(SWB, 2, 2, 3, given=True)),
    Case(SWA, 2, 2, 16, (20, 15), processors=100),
    slow(Case(('bw',), 2, 1, 16, (20, 15), True, processors=100)),
    Case(('bw', 'bn'), 3, 3, 5, affine=False),
    Case(('bn', 'in', 'ln'), 3, 6, 1),
    Case(('bn',), 2, 3, 1, given=True),
    slow(Case(('ln',), 2, 6, 1)),
    slow(Case(SWA, 2, 3, 5, (20, 15), processors=100, bunch=2)),
    slow(Case(('bw',), 2, 1, 16, (20, 15), processors=100, bunch=2, pooled=0)),
    slow(Case(('bn', 'in'), 2, 32, 1, (20, 15), True, processors=100, bunch=2)),
    slow(Case(SWB, 3, 2, 3, (20, 15), processors=100, pooled=1)),
    slow(Case(SWA, 66, 1, 2, (3, 1))),  # too many samples to be pooled by each program
    Case(SWA, 2, 1, 16, (8, 8), dtype=B),
]


def names(case):
    words = [word for word, chosen in (('last', case.last), ('given', case.given)) if chosen]
    joins = [f'bunches of {case.bunch}'] if case.bunch < 32 else []
    return ' '.join(['+'.join(case.words), f'N{case.n} G{case.g} D{case.d}', *words, *joins, str(case.dtype)[6:]])


def set_up(case, monkeypatch):
    """A GPU of so many processors, and the limits of the case."""
    monkeypatch.setattr(recipes, 'processors_of', lambda _: case.processors)
    monkeypatch.setattr(recipes, '_POOLED', case.pooled)
    monkeypatch.setattr(call, 'BUNCH', case.bunch)
    recipes._recipe.cache_clear()


def drawn(case):
    """x, dy, parameters, running moments: the activation has means, and a spread that differs from image to image."""
    c, shape = case.g * case.d, (case.n, case.g * case.d, *case.spatial)
    x = torch.randn(shape) * (1 + torch.rand(case.n, c, 1, 1)) + 3 * torch.rand(case.n, c, 1, 1)
    x = x.to(case.dtype).contiguous(memory_format=torch.channels_last if case.last else torch.contiguous_format)
    affine = (small(c), small(c)) if case.affine else (None, None)
    factor = small(case.g, case.d, case.d + 3)
    running = Moments(small(c), factor @ factor.mT / case.d)
    return x, torch.randn_like(x), Parameters(*affine, small(len(case.words)), small(len(case.words))), running


SPREADS = {
    'strided': lambda values: torch.stack([values, torch.full_like(values, 9.0)], -1)[..., 0],
    'expanded': lambda values: values[:1].expand_as(values),
    'negated': torch._neg_view,
}


def leaves_of(tensors):
    """As they lie in memory."""
    return [None if t is None else t.detach().requires_grad_() for t in tensors]


def copies(tensors, dtype=None):
    return [None if t is None else t.to(dtype or t.dtype, copy=True).requires_grad_() for t in tensors]


def expected(case, x, dy, parameters, running, monkeypatch):
    """Output and gradients in fp64, and the moments of the batch."""
    monkeypatch.setattr(computation, 'select', lambda *_: torch_backend)
    inputs = copies((x, *parameters), torch.float64)
    given = Moments(running.mean.double().view(1, case.g, case.d), running.cov.double()[None]) if case.given else None
    y, mean, cov, _ = SwitchWhitenFunction.apply(*inputs, given, Settings(case.words, case.d, 1e-3, 'newton', 5))
    y.backward(dy.double())
    return [y.detach(), *(None if tensor is None else tensor.grad for tensor in inputs)], mean, cov


def computed(case, x, dy, parameters, running, leaves=copies):
    """Output and gradients of the kernels, and the running statistics after them."""
    moved = None
    if not {'bw', 'bn'}.isdisjoint(case.words):
        counters = torch.tensor([6, 2]).unbind()
        momentum = None if case.given else 0.1
        moved = Running(running.mean.clone(), running.cov.clone(), *(one.clone() for one in counters), momentum)
    inputs = leaves((x, *parameters))
    settings = Settings(case.words, case.d, 1e-3, 'newton', 5)
    y = whiten_whole(inputs[0], Parameters(*inputs[1:]), moved, settings, triton_backend)
    y.backward(dy)
    return [y.detach(), *(None if tensor is None else tensor.grad for tensor in inputs)], moved


@pytest.mark.parametrize('case', CASES, ids=names)
def test_outputs_gradients_and_running_statistics(case, monkeypatch, device):
    set_up(case, monkeypatch)
    x, dy, parameters, running = drawn(case)
    values, moved = computed(case, x, dy, parameters, running)
    exact, mean, cov = expected(case, x, dy, parameters, running, monkeypatch)
    for index, (value, other) in enumerate(zip(values, exact)):
        assert (value is None) == (other is None)
        if value is not None:
            close(value, other, 2e-5 if case.dtype is F else 1e-2 if index < 2 else 2e-3, least=1)
    assert values[0].stride() == values[1].stride() == x.stride()
    assert not any(counters.any() for counters in tickets._COUNTERS.values())
    if moved is None or case.given:
        return
    pixels = case.n * x[0, 0].numel()
    assert (int(moved.tracked), int(moved.skipped)) == (7, 2)
    close(moved.mean, 0.9 * running.mean.double() + 0.1 * mean, 2e-5 if case.dtype is F else 1e-3)
    close(moved.cov, 0.9 * running.cov.double() + 0.1 * cov * pixels / (pixels - 1), 2e-5 if case.dtype is F else 1e-3)


def reverse_programs(monkeypatch):
    from triton.runtime.interpreter import InterpreterBuilder

    ordered = InterpreterBuilder.set_grid_idx
    monkeypatch.setattr(
        InterpreterBuilder, 'set_grid_idx', lambda self, x, y, z: ordered(self, self.grid_dim[0] - 1 - x, y, z)
    )


@pytest.mark.parametrize(
    'case', [CASES[1], Case(SWA, 2, 1, 16, (20, 15), processors=100, bunch=2, pooled=0)], ids=names
)
def test_whichever_program_comes_last_finishes_the_sums(case, monkeypatch, device):
    """Programs in reverse order, or on a GPU in whatever order, change no bit."""
    set_up(case, monkeypatch)
    drawing = drawn(case)
    values, moved = computed(case, *drawing)
    if INTERPRETED:
        reverse_programs(monkeypatch)
    again, moved_again = computed(case, *drawing)
    for value, other in zip((*values, *moved[:4]), (*again, *moved_again[:4])):
        assert torch.equal(value, other)


def test_a_second_backward_repeats_the_first(device):
    x, dy, parameters, running = drawn(CASES[1])
    leaves = copies((x, *parameters))
    moved = Running(*running, *torch.tensor([0, 0]), 0.1)
    settings = Settings(SWB, 8, 1e-3, 'newton', 5)
    y = whiten_whole(leaves[0], Parameters(*leaves[1:]), moved, settings, triton_backend)
    first = torch.autograd.grad(y, leaves, dy, retain_graph=True)
    assert all(torch.equal(one, two) for one, two in zip(first, torch.autograd.grad(y, leaves, dy)))


@pytest.mark.parametrize('case', [Case(('bw', 'bn'), 3, 3, 5, given=True), Case(SWA, 2, 2, 16, given=True)], ids=names)
def test_statistics_that_move_between_evaluation_and_its_backward(case, monkeypatch, device):
    """The gradient is that of those which the evaluation took; memory that is not read may hold anything."""
    x, dy, parameters, running = drawn(case)
    leaves, settings = copies((x, *parameters)), Settings(case.words, case.d, 1e-3, 'newton', 5)
    moved = Running(running.mean.clone(), running.cov.clone(), *torch.tensor([6, 2]).unbind(), None)
    y = whiten_whole(leaves[0], Parameters(*leaves[1:]), moved, settings, triton_backend)
    whiten_whole(torch.randn_like(x) + 3, parameters, moved._replace(momentum=0.5), settings, triton_backend)
    assert not torch.equal(moved.mean, running.mean) and int(moved.tracked) == 7
    moved.mean.add_(1)  # by a version that torch counts
    y.backward(dy)
    exact = expected(case, x, dy, parameters, running, monkeypatch)[0]
    for value, other in zip([y.detach(), *(leaf.grad for leaf in leaves)], exact, strict=True):
        close(value, other, 2e-5, least=1)


@pytest.mark.parametrize('spread', SPREADS.values(), ids=SPREADS)
@pytest.mark.parametrize('case', [Case(SWA, 2, 2, 4), Case(SWA, 2, 2, 4, given=True)], ids=names)
def test_parameters_whose_values_are_not_side_by_side(case, spread, monkeypatch, device):
    """Kernels go by addresses: they would read what lies between or beyond."""
    x, dy, parameters, running = drawn(case)
    parameters = Parameters(*(spread(parameter) for parameter in parameters))
    exact = expected(case, x, dy, parameters, running, monkeypatch)[0]
    for value, other in zip(computed(case, x, dy, parameters, running, leaves_of)[0], exact, strict=True):
        close(value, other, 2e-5, least=1)
    given = Running(*running, *torch.tensor([0, 0]), None) if case.given else None
    with torch.no_grad():
        y = whiten_whole(x, parameters, given, Settings(SWA, 4, 1e-3, 'newton', 5), triton_backend)
    close(y, exact[0], 2e-5, least=1)


def test_tangents_are_not_lost(device):
    """Where no gradient is wanted, too: of a layer without a derivative in forward mode torch says so."""
    x, dy, parameters, running = drawn(CASES[7])
    given, settings = Running(*running, *torch.tensor([0, 0]), None), Settings(('bn',), 1, 1e-3, 'newton', 5)
    with torch.no_grad(), torch.autograd.forward_ad.dual_level(), pytest.raises(NotImplementedError, match='jvp'):
        dual = torch.autograd.forward_ad.make_dual(x, dy)
        whiten_whole(dual, parameters, given, settings, triton_backend)


@pytest.mark.parametrize('value', [float('inf'), float('nan')])
def test_running_statistics_stay_where_moments_are_not_finite(value, device):
    x, dy, parameters, running = drawn(CASES[0])
    x[1, 20, 2, 2] = value
    _, moved = computed(CASES[0], x, dy, parameters, running)
    assert (int(moved.tracked), int(moved.skipped)) == (6, 3)
    assert torch.equal(moved.mean, running.mean) and torch.equal(moved.cov, running.cov)


def test_what_takes_other_steps(device):
    """An eigendecomposition, processes to wait for, no pixels, buffers that the kernels cannot write."""
    x, _, parameters, running = drawn(CASES[0])
    settings = Settings(SWA, 16, 1e-3, 'newton', 5)
    moved = Running(*running, *torch.tensor([0, 0]), 0.1)
    for other in (settings._replace(inverse_sqrt='eigh'), settings._replace(group=object())):
        assert whiten_whole(x, parameters, moved, other, triton_backend) is None
    assert whiten_whole(x[:0], parameters, moved, settings, triton_backend) is None
    for buffers in (moved._replace(cov=moved.cov.double()), moved._replace(cov=moved.cov.half(), momentum=None)):
        assert whiten_whole(x, parameters, buffers, settings, triton_backend) is None
