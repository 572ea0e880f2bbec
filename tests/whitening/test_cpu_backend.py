"""The C passes and algebra against those in torch, in fp64: every memory format, remainder of a block and Ω."""

import platform
import subprocess
import sys
from itertools import combinations

import pytest
import torch

from sw_mmseg.whitening import SwitchWhiten2d
from sw_mmseg.whitening.algebra import Parameters
from sw_mmseg.whitening.kernels import cpu_passes, native, select, torch_passes
from sw_mmseg.whitening.moments import Moments, memory_format
from sw_mmseg.whitening.settings import Settings
from sw_mmseg.whitening.statistics import BATCH, INSTANCE, STATISTICS

pytestmark = pytest.mark.skipif(native.library() is None, reason='no C compiler here')

# 256 pixels are a block and 32768 a chunk: fewer, exactly as many, more, and no whole number of vectors
SIZES = {1: (3, 1, 1), 3: (0, 4, 4), 5: (2, 3, 7), 6: (1, 5, 9), 8: (2, 16, 16), 16: (2, 19, 29), 20: (1, 18, 15),
         64: (1, 9, 33), 9: (1, 5, 7), 10: (1, 5, 7), 11: (1, 5, 7), 13: (1, 5, 7)}
FORMATS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}


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


@pytest.mark.parametrize('layout', FORMATS)
@pytest.mark.parametrize('d', SIZES)
def test_passes(d, layout):
    x, dy, shift, vector, first, second = case(d, *SIZES[d], layout)
    wide = double(x, dy, shift, vector, first, second)
    for ours, exact in zip(cpu_passes.sample_moments(x, d), torch_passes.sample_moments(wide[0], d)):
        close(ours, exact)
    for ours, exact in zip(cpu_passes.gradient_sums(dy, x, shift, d),
                           torch_passes.gradient_sums(wide[1], wide[0], wide[2], d)):
        close(ours, exact)
    y = cpu_passes.apply(x, shift, second, vector)
    assert memory_format(y) is memory_format(x) and y.shape == x.shape
    close(y, torch_passes.apply(wide[0], wide[2], wide[5], wide[3]))
    close(cpu_passes.apply_gradient(dy, x, shift, first, second, vector),
          torch_passes.apply_gradient(wide[1], wide[0], *wide[2:3], *wide[4:], wide[3]))
    close(cpu_passes.apply_gradient(dy, x, shift, first, None, None),
          torch_passes.apply_gradient(wide[1], wide[0], wide[2], wide[4], None, None))


@pytest.mark.parametrize('d', [1, 16])
def test_many_chunks_and_odd_bundles(d):
    """More than 32768 pixels a slice; with D = 1, 21 channels are a bundle of 16 and one of 5."""
    groups = 21 if d == 1 else 2
    x, dy, shift, *_ = case(d, 2, 131, 257, groups=groups)
    for ours, exact in zip(cpu_passes.sample_moments(x, d), torch_passes.sample_moments(x.double(), d)):
        close(ours, exact)
    for ours, exact in zip(cpu_passes.gradient_sums(dy, x, None, d),
                           torch_passes.gradient_sums(dy.double(), x.double(), None, d)):
        close(ours, exact)
    one = torch.randn(1, groups, d, d), torch.randn(1, groups, d)
    close(cpu_passes.apply(x, None, *one), torch_passes.apply(x.double(), None, *double(*one)))


@pytest.mark.parametrize('layout', FORMATS)
def test_bfloat16_is_read_exactly_and_written_to_nearest(layout):
    x, _, shift, vector, _, second = case(16, 2, 9, 31, layout, torch.bfloat16)
    for ours, exact in zip(cpu_passes.sample_moments(x, 16), torch_passes.sample_moments(x.double(), 16)):
        close(ours, exact)
    exact = torch_passes.apply(x.double(), *double(shift, second, vector))
    y = cpu_passes.apply(x, shift, second, vector)
    assert y.dtype == torch.bfloat16
    assert (y == exact.float().bfloat16()).float().mean() > 0.99  # but where fp32 rounds across a tie
    special = torch.tensor([float('nan'), float('inf'), -float('inf'), 3.4e38, 0.0]).bfloat16().view(1, 5, 1, 1)
    unit = torch.ones(1, 5, 1, 1)
    back = cpu_passes.apply(special, None, unit, torch.zeros(1, 5, 1))
    assert torch.equal(back, special) or torch.equal(back.isnan(), special.isnan())
    assert torch.equal(back[~special.isnan()], special[~special.isnan()])


@pytest.fixture(params=['x86-64-v2', 'x86-64-v3'])
def narrower(request, monkeypatch):
    """The library as processors without AVX2, or without AVX-512, build it."""
    if platform.machine() != 'x86_64' or ('v3' in request.param and b' avx2 ' not in native._processor()):
        pytest.skip('not such a processor')
    flags = [f'-march={request.param}' if flag.startswith('-march') else flag for flag in native._FLAGS]
    monkeypatch.setattr(native, '_FLAGS', tuple(flags))
    native.library.cache_clear()
    yield
    monkeypatch.undo()
    native.library.cache_clear()


def test_processors_with_shorter_vectors(narrower):
    """Where a vector holds 4 or 8 values, other group sizes leave a remainder."""
    assert native.library() is not None
    for d in SIZES:
        for layout in FORMATS:
            test_passes(d, layout)
    test_algebra(('bw', 'iw', 'bn', 'in', 'ln'), False)


def test_far_means_cost_no_digits():
    offset = 1000 * torch.randn(1, 32, 1, 1)
    for x in (torch.randn(2, 32, 40, 40) + offset, torch.cat([torch.zeros(2, 32, 8, 40), torch.randn(2, 32, 32, 40)
                                                              + offset], 2)):  # a black border meets the first block
        for ours, exact in zip(cpu_passes.sample_moments(x, 16), torch_passes.sample_moments(x.double(), 16)):
            close(ours / exact.abs().max(), exact / exact.abs().max(), 3e-5)


def subsets():
    return [words for size in range(1, 6) for words in combinations(STATISTICS, size)]


@pytest.mark.parametrize('given', [False, True], ids=['of the batch', 'given'])
@pytest.mark.parametrize('words', subsets(), ids='+'.join)
def test_algebra(words, given):
    """Every Ω, in an order that is not the canonical one; the batch moments pooled from the samples, or given."""
    words = words[::-1]
    d = 1 if not {'bw', 'iw'} & set(words) else 8
    n, g, settings = 3, 2, Settings(words, d, 1e-3, 'newton', 5)
    a = torch.randn(n, g, d, 3 * d, dtype=torch.float64)
    sample = Moments(torch.randn(n, g, d, dtype=torch.float64), a @ a.mT / (3 * d))
    parameters = Parameters(*(torch.randn(size, dtype=torch.float64) for size in (g * d, g * d)),
                            *(torch.randn(len(words), dtype=torch.float64) for _ in range(2)))
    total, product = torch.randn(n, g, d, dtype=torch.float64), torch.randn(n, g, d, d, dtype=torch.float64)
    if given and INSTANCE.isdisjoint(words):
        results = [steps(kernels, None, sample_batch(sample), None, parameters, settings, total, product, False, dtype)
                   for kernels, dtype in ((torch_passes, torch.float64), (cpu_passes, torch.float32))]
    else:
        results = [steps(kernels, sample, sample_batch(sample) if given else None, sample.mean, parameters, settings,
                         total, product, not given, dtype)
                   for kernels, dtype in ((torch_passes, torch.float64), (cpu_passes, torch.float32))]
    assert len(results[0]) == len(results[1]) > 6
    for exact, ours in zip(*results):
        assert ours.dtype == torch.float32
        close(ours, exact.expand(ours.shape), 1e-4)  # one matrix for all samples, or the same for each


def sample_batch(sample):
    return Moments(sample.mean[:1] + 0.1, 0.5 * (sample.cov[:1] + sample.cov[1:2]))


def steps(kernels, sample, batch, shift, parameters, settings, total, product, pooled, dtype):
    """All results of the algebra, as a flat list of tensors."""
    def to(value):
        return value if value is None else value.to(dtype)

    sample, batch = (None if pair is None else Moments(*map(to, pair)) for pair in (sample, batch))
    parameters, shift = Parameters(*map(to, parameters)), to(shift)
    algebra = kernels.algebra(settings)
    if pooled:
        batch = algebra.pool(sample)
    if BATCH.isdisjoint(settings.statistics):
        batch = None
    folded = algebra.fold(sample, batch, shift, parameters, settings)
    grads = algebra.fold_backward(to(total), to(product), sample, batch, shift, parameters, folded, settings)
    results = [folded.mean, folded.root, folded.matrix, folded.vector, *grads.parameters, *grads.mixed]
    of_batch = grads.batch
    assert (of_batch is None) == BATCH.isdisjoint(settings.statistics)
    if of_batch is not None:
        results += [*of_batch]
    if sample is not None and (pooled and of_batch is not None or not INSTANCE.isdisjoint(settings.statistics)):
        results += algebra.input_matrices(grads.mixed, of_batch if pooled else None, sample, batch, shift, parameters,
                                          settings, 0.25, 7)
    return results


def test_the_layer_takes_them_unless_told_not_to(monkeypatch):
    x = torch.randn(2, 32, 8, 8)
    assert select(x, 16) is cpu_passes
    assert select(x.double(), 16) is torch_passes and select(torch.randn(2, 128, 2, 2), 128) is torch_passes
    layer = SwitchWhiten2d(32)
    ours = layer(x)
    monkeypatch.setenv('SW_MMSEG_KERNELS', 'torch')
    assert select(x, 16) is torch_passes
    torch.testing.assert_close(ours, layer(x), rtol=1e-4, atol=1e-4)
    monkeypatch.setenv('SW_MMSEG_KERNELS', 'fast')
    with pytest.raises(ValueError, match="SW_MMSEG_KERNELS=fast is unknown: choose 'auto' or 'torch'"):
        layer(x)


SCRIPT = '''
import logging, torch
logging.basicConfig(level=logging.INFO, format='%(message)s')
from sw_mmseg.whitening import SwitchWhiten2d
from sw_mmseg.whitening.kernels import select, torch_passes
x = torch.randn(2, 16, 4, 4, requires_grad=True)
layer = SwitchWhiten2d(16)
layer(x).sum().backward()
print(select(x, 16) is torch_passes, bool(torch.isfinite(x.grad).all()))
'''


@pytest.mark.parametrize('compiler', ['/no/such/compiler', 'false'])
def test_without_a_compiler_torch_serves_and_says_so_once(compiler, tmp_path):
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', SCRIPT], capture_output=True, text=True,
                          env={'CC': compiler, 'SW_MMSEG_CACHE': str(tmp_path), 'PATH': '/usr/bin:/bin'})
    assert done.stdout.split() == ['True', 'True'], done.stderr
    assert done.stderr.count('its C code was not built') == 1
    assert not list(tmp_path.iterdir())


def test_a_build_leaves_one_file(tmp_path, monkeypatch):
    monkeypatch.setenv('SW_MMSEG_CACHE', str(tmp_path / 'cache'))
    target = native.build()
    assert [path.name for path in (tmp_path / 'cache').iterdir()] == [target.name]
    stamp = target.stat().st_mtime_ns
    assert native.build() == target and target.stat().st_mtime_ns == stamp
