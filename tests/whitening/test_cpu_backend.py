"""The C passes and algebra against those in torch, in fp64: every memory format, remainder of a block and Ω, as built
by gcc and clang and for processors with shorter vectors.
"""

import subprocess
import sys
from itertools import combinations

import pytest
import torch

from sw_mmseg.whitening.backends import torch_backend
from sw_mmseg.whitening.backends.cpu import backend as cpu_backend
from sw_mmseg.whitening.backends.cpu import library as cpu_library
from sw_mmseg.whitening.maths import BATCH, INSTANCE, STATISTICS, Moments, Parameters, Settings, memory_format

from .helpers.builds import BUILDS, built

# 256 pixels are a block and 32768 a chunk: fewer, exactly as many, more, and no whole number of vectors
SIZES = {
    1: (3, 1, 1),
    3: (0, 4, 4),
    5: (2, 3, 7),
    6: (1, 5, 9),
    8: (2, 16, 16),
    16: (2, 19, 29),
    20: (1, 18, 15),
    64: (1, 9, 33),
    9: (1, 5, 7),
    10: (1, 5, 7),
    11: (1, 5, 7),
    13: (1, 5, 7),
}
FORMATS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}


@pytest.fixture(autouse=True, params=['native'])
def build(request, monkeypatch):
    """The library that is called. Where there is a compiler, one that cannot be built is an error, not a skip."""
    library = built(request.param)
    monkeypatch.setattr(cpu_library, 'library_or_none', lambda: library)


every_build = pytest.mark.parametrize('build', BUILDS, indirect=True)


def case(d, n, h, w, layout='contiguous', dtype=torch.float32, groups=3):
    x, dy = (torch.randn(n, groups * d, h, w).to(dtype).to(memory_format=FORMATS[layout]) for _ in range(2))
    shift, vector = (torch.randn(n, groups, d) for _ in range(2))
    first, second = (torch.randn(n, groups, d, d) for _ in range(2))
    return x, dy, shift, vector, first, second


def double(*tensors):
    return [tensor.double() for tensor in tensors]


def close(ours, exact, tolerance=3e-5):
    scale = exact.abs().max().item() if exact.numel() else 1
    torch.testing.assert_close(ours.double(), exact.double(), rtol=0, atol=tolerance * max(scale, 1))


@every_build
@pytest.mark.parametrize('layout', FORMATS)
@pytest.mark.parametrize('d', SIZES)
def test_passes(d, layout):
    x, dy, shift, vector, first, second = case(d, *SIZES[d], layout)
    wide = double(x, dy, shift, vector, first, second)
    for ours, exact in zip(cpu_backend.sample_moments(x, d), torch_backend.sample_moments(wide[0], d)):
        close(ours, exact)
    for ours, exact in zip(
        cpu_backend.gradient_sums(dy, x, shift, d), torch_backend.gradient_sums(wide[1], wide[0], wide[2], d)
    ):
        close(ours, exact)
    y = cpu_backend.apply(x, shift, second, vector)
    assert memory_format(y) is memory_format(x) and y.shape == x.shape
    close(y, torch_backend.apply(wide[0], wide[2], wide[5], wide[3]))
    close(
        cpu_backend.apply_gradient(dy, x, shift, first, second, vector),
        torch_backend.apply_gradient(wide[1], wide[0], *wide[2:3], *wide[4:], wide[3]),
    )
    close(
        cpu_backend.apply_gradient(dy, x, shift, first, None, None),
        torch_backend.apply_gradient(wide[1], wide[0], wide[2], wide[4], None, None),
    )


def test_a_thread_with_a_stack_of_256_kib(build):
    """Blocks and matrices of 64 channels would take 0.4 MB of it, and a thread that has less dies."""
    code = (
        'import threading, torch\nfrom sw_mmseg.whitening import SwitchWhiten2d\ntorch.set_num_threads(1)\n'
        'def work():\n    layer = SwitchWhiten2d(64, group_size=64)\n'
        '    x = torch.randn(2, 64, 20, 20).requires_grad_()\n    layer(x).sum().backward()\n'
        '    layer.eval()(x)\n    print("done")\n'
        'work()\nthreading.stack_size(256 * 1024)\nthread = threading.Thread(target=work)\n'
        'thread.start()\nthread.join()\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout.split() == ['done', 'done'], done.stderr


@every_build
@pytest.mark.parametrize('d', [1, 16])
def test_many_chunks_and_odd_bundles(d):
    """More than 32768 pixels a slice; with D = 1, 21 channels are a bundle of 16 and one of 5."""
    groups = 21 if d == 1 else 2
    x, dy, shift, *_ = case(d, 2, 131, 257, groups=groups)
    for ours, exact in zip(cpu_backend.sample_moments(x, d), torch_backend.sample_moments(x.double(), d)):
        close(ours, exact)
    for ours, exact in zip(
        cpu_backend.gradient_sums(dy, x, None, d), torch_backend.gradient_sums(dy.double(), x.double(), None, d)
    ):
        close(ours, exact)
    one = torch.randn(1, groups, d, d), torch.randn(1, groups, d)
    close(cpu_backend.apply(x, None, *one), torch_backend.apply(x.double(), None, *double(*one)))


@every_build
@pytest.mark.parametrize('layout', FORMATS)
def test_bfloat16_is_read_exactly_and_written_to_nearest(layout):
    x, _, shift, vector, _, second = case(16, 2, 9, 31, layout, torch.bfloat16)
    for ours, exact in zip(cpu_backend.sample_moments(x, 16), torch_backend.sample_moments(x.double(), 16)):
        close(ours, exact)
    exact = torch_backend.apply(x.double(), *double(shift, second, vector))
    y = cpu_backend.apply(x, shift, second, vector)
    assert y.dtype == torch.bfloat16
    assert (y == exact.float().bfloat16()).float().mean() > 0.99  # but where fp32 rounds across a tie
    special = torch.tensor([float('nan'), float('inf'), -float('inf'), 3.4e38, 0.0]).bfloat16().view(1, 5, 1, 1)
    unit = torch.ones(1, 5, 1, 1)
    back = cpu_backend.apply(special, None, unit, torch.zeros(1, 5, 1))
    assert back.isnan().flatten().tolist() == [True, False, False, False, False]
    assert torch.equal(back[~special.isnan()], special[~special.isnan()])


def test_far_means_cost_no_digits():
    offset = 1000 * torch.randn(1, 32, 1, 1)
    for x in (
        torch.randn(2, 32, 40, 40) + offset,
        torch.cat([torch.zeros(2, 32, 8, 40), torch.randn(2, 32, 32, 40) + offset], 2),
    ):  # a black border meets the first block
        for ours, exact in zip(cpu_backend.sample_moments(x, 16), torch_backend.sample_moments(x.double(), 16)):
            close(ours / exact.abs().max(), exact / exact.abs().max(), 3e-5)


def subsets():
    return [words for size in range(1, 6) for words in combinations(STATISTICS, size)]


@pytest.mark.parametrize('given', [False, True], ids=['of the batch', 'given'])
@pytest.mark.parametrize('words', subsets(), ids='+'.join)
def test_algebra(words, given):
    """Every Ω, in an order that is not the canonical one; the batch moments pooled from the samples, or given."""
    check_algebra(words[::-1], given, 8 if {'bw', 'iw'} & set(words) else 1)


@every_build
@pytest.mark.parametrize('d', [1, 5, 6, 9, 16, 64])
def test_algebra_of_other_sizes(d):
    """Where a vector holds 4, 8 or 16 values, another remainder is left."""
    check_algebra(('iw', 'bw') if d > 1 else ('in', 'bn', 'ln'), False, d)


def check_algebra(words, given, d):
    n, g, settings = 3, 2, Settings(words, d, 1e-3, 'newton', 5)
    a = torch.randn(n, g, d, 3 * d, dtype=torch.float64)
    sample = Moments(torch.randn(n, g, d, dtype=torch.float64), a @ a.mT / (3 * d))
    parameters = Parameters(
        *(torch.randn(size, dtype=torch.float64) for size in (g * d, g * d)),
        *(torch.randn(len(words), dtype=torch.float64) for _ in range(2)),
    )
    total, product = torch.randn(n, g, d, dtype=torch.float64), torch.randn(n, g, d, d, dtype=torch.float64)
    if given and INSTANCE.isdisjoint(words):
        results = [
            steps(backend, None, sample_batch(sample), None, parameters, settings, total, product, False, dtype)
            for backend, dtype in ((torch_backend, torch.float64), (cpu_backend, torch.float32))
        ]
    else:
        results = [
            steps(
                backend,
                sample,
                sample_batch(sample) if given else None,
                sample.mean,
                parameters,
                settings,
                total,
                product,
                not given,
                dtype,
            )
            for backend, dtype in ((torch_backend, torch.float64), (cpu_backend, torch.float32))
        ]
    assert len(results[0]) == len(results[1]) > 6
    for exact, ours in zip(*results):
        assert ours.dtype == torch.float32
        close(ours, exact.expand(ours.shape), 1e-4)  # one matrix for all samples, or the same for each


def sample_batch(sample):
    return Moments(sample.mean[:1] + 0.1, 0.5 * (sample.cov[:1] + sample.cov[1:2]))


def steps(backend, sample, batch, shift, parameters, settings, total, product, pooled, dtype):
    """All results of the algebra, as a flat list of tensors."""

    def to(value):
        return value if value is None else value.to(dtype)

    sample, batch = (None if pair is None else Moments(*map(to, pair)) for pair in (sample, batch))
    parameters, shift = Parameters(*map(to, parameters)), to(shift)
    algebra = backend.algebra(settings)
    if pooled:
        batch = algebra.pool(sample)
    if BATCH.isdisjoint(settings.statistics):
        batch = None
    affine = algebra.mix_to_affine(sample, batch, shift, parameters, settings)
    grads = algebra.mix_to_affine_backward(to(total), to(product), sample, batch, shift, parameters, affine, settings)
    results = [affine.mean, affine.root, affine.matrix, affine.vector, *grads.parameters, *grads.mixed]
    of_batch = grads.batch
    assert (of_batch is None) == BATCH.isdisjoint(settings.statistics)
    if of_batch is not None:
        results += [*of_batch]
    if sample is not None and (pooled and of_batch is not None or not INSTANCE.isdisjoint(settings.statistics)):
        results += algebra.input_matrices(
            grads.mixed, of_batch if pooled else None, sample, batch, shift, parameters, settings, 0.25, 7
        )
    return results
