"""A layer without a backward, in one or two kernels, against torch in fp64; `conftest` says where."""

from typing import NamedTuple

import pytest
import torch

from sw_mmseg.whitening.autograd import Memory, Running, forward, whiten_whole
from sw_mmseg.whitening.backends import torch_backend
from sw_mmseg.whitening.backends.triton import backend as triton_backend
from sw_mmseg.whitening.backends.triton import layer as recipes
from sw_mmseg.whitening.maths import Moments, Parameters, Settings
from tests.helpers.slow_cases import slow

from .cases import B, F, close, small

SWB = ('bw', 'iw', 'bn', 'in', 'ln')
NEVER = torch.nan


class Case(NamedTuple):
    """N samples of G groups of D channels, and how they are whitened."""

    words: tuple[str, ...]
    n: int
    g: int
    d: int
    spatial: tuple[int, ...] = (5, 4)
    last: bool = False
    affine: bool = True
    dtype: torch.dtype = F


CASES = [
    Case(('bw',), 2, 2, 16, (20, 15)),
    Case(('bw', 'bn'), 1, 7, 3, last=True),  # several groups a tile
    slow(Case(('bw',), 1, 1, 20, affine=False)),
    Case(('bn',), 2, 5, 1),
    Case(('bw', 'iw'), 2, 2, 16, (20, 15)),
    Case(SWB, 2, 3, 5, last=True),
    slow(Case(('iw',), 2, 2, 8, affine=False)),
    Case(('bn', 'in', 'ln'), 2, 6, 1),
    slow(Case(('bw',), 2, 1, 16, (8, 8), dtype=B)),
]


def names(case):
    return ' '.join(['+'.join(case.words), f'N{case.n} G{case.g} D{case.d}', *(['last'] * case.last), str(case.dtype)])


def drawn(case):
    """x, parameters, and running statistics, or None where Ω has none."""
    c = case.g * case.d
    x = torch.randn(case.n, c, *case.spatial) * (1 + torch.rand(case.n, c, 1, 1)) + 3 * torch.rand(case.n, c, 1, 1)
    x = x.to(case.dtype).contiguous(memory_format=torch.channels_last if case.last else torch.contiguous_format)
    affine = (small(c), small(c)) if case.affine else (None, None)
    factor = small(case.g, case.d, case.d + 3)
    running = Running(small(c), factor @ factor.mT / case.d, *torch.tensor([5, 0]), None)
    parameters = Parameters(*affine, small(len(case.words)), small(len(case.words)))
    return x, parameters, None if {'bw', 'bn'}.isdisjoint(case.words) else running


def settings_of(case):
    return Settings(case.words, case.d, 1e-3, 'newton', 5)


def exact(case, x, parameters, running, settings=None):
    """y in fp64."""
    wide = Parameters(*(None if value is None else value.double() for value in parameters))
    given = (
        None if running is None else Moments(running.mean.double().view(1, case.g, case.d), running.cov.double()[None])
    )
    return forward(x.double(), wide, given, settings or settings_of(case), torch_backend)[0]


def check(case, y, x, *arguments):
    assert y.stride() == x.stride() and y.data_ptr() != x.data_ptr()
    close(y, exact(case, x, *arguments), 2e-5 if case.dtype is F else 1e-2, least=1)


@pytest.mark.parametrize('case', CASES, ids=names)
def test_outputs(case, monkeypatch, device):
    """The first call, and later ones, with what they keep."""
    monkeypatch.setattr(recipes, 'processors_of', lambda _: 100)
    x, parameters, running = drawn(case)
    memory = Memory()
    for _ in range(3):
        check(
            case,
            whiten_whole(x, parameters, running, settings_of(case), triton_backend, memory),
            x,
            parameters,
            running,
        )
    assert bool(memory._rooms) == ('bw' in case.words and {'iw', 'in', 'ln'}.isdisjoint(case.words))


KEPT = CASES[1]


def test_what_is_kept_is_used(device):
    """Until a buffer, a parameter or an option changes, in whatever way; then twice what is kept is of no use."""
    x, parameters, running = drawn(KEPT)
    memory, settings = Memory(), settings_of(KEPT)

    def call():
        return whiten_whole(x, parameters, running, settings, triton_backend, memory)

    call()
    (room,) = memory._rooms.values()
    covs, roots = room.view(2, -1)
    assert torch.isfinite(room).all()
    kept = roots.clone()
    roots *= 2  # what no call would compute
    parameters.bias.data.zero_()
    check(KEPT, call() / 2, x, parameters, running)
    parameters.weight.data *= 3  # no part of what is kept
    check(KEPT, call() / 2, x, parameters, running)

    for change in (
        lambda: running.cov.data.mul_(1.5),
        lambda: parameters.cov_logits.data.add_(torch.tensor([0.0, 1.0])),
    ):
        change()
        check(KEPT, call(), x, parameters, running)
        assert roots.isnan().all()
        check(KEPT, call(), x, parameters, running)
        assert torch.isfinite(room).all() and not torch.equal(roots, kept)
        check(KEPT, call(), x, parameters, running)
    settings = settings._replace(eps=0.1)
    check(KEPT, call(), x, parameters, running, settings)
    settings = settings._replace(iterations=2)
    check(KEPT, call(), x, parameters, running, settings)
    assert len(memory._rooms) == 2


def test_a_root_that_another_launch_is_writing_is_not_used(device):
    """Some values are there, the others still NaN."""
    x, parameters, running = drawn(KEPT)
    memory = Memory()
    whiten_whole(x, parameters, running, settings_of(KEPT), triton_backend, memory)
    (room,) = memory._rooms.values()
    room[len(room) // 2 :: 2] = NEVER
    for _ in range(3):
        check(
            KEPT,
            whiten_whole(x, parameters, running, settings_of(KEPT), triton_backend, memory),
            x,
            parameters,
            running,
        )
    assert torch.isfinite(room).all()


def test_running_statistics_that_are_not_finite(device):
    x, parameters, running = drawn(CASES[0])
    running.cov[1, 3, 3] = NEVER
    y = whiten_whole(x, parameters, running, settings_of(CASES[0]), triton_backend, Memory())
    assert y[:, 16:].isnan().all()
    close(y[:, :16], exact(CASES[0], x, parameters, running)[:, :16], 2e-5, least=1)


def test_with_a_gradient_and_while_statistics_move_it_takes_the_other_way(device):
    x, parameters, running = drawn(CASES[0])
    moved = running._replace(momentum=0.1)
    arguments = parameters, moved, settings_of(CASES[0]), triton_backend
    assert recipes.recipe_of(x, parameters, moved[:4], settings_of(CASES[0]), 0.1).evaluation is None
    before = running.cov.clone()
    whiten_whole(x, *arguments)
    assert not torch.equal(running.cov, before)
    memory = Memory()
    y = whiten_whole(x.requires_grad_(), parameters, running, settings_of(CASES[0]), triton_backend, memory)
    assert y.requires_grad and not memory._rooms
