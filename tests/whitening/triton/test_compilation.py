"""Whether the Triton kernels compile for the GPUs they are for, and how compiled ones are found again."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.helpers.slow_cases import slow

SMALLEST_SHARED_MEMORY = 99 * 1024  # that a program may have on compute capability 8.6, 8.9 and 12.0


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """Calls of kernels end after compilation, for a GPU that need not be there; what was compiled, by name."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver

    class Device:
        target = GPUTarget('cuda', 80, 32)

        def get_current_device(self):
            return self.target.arch

        def get_current_stream(self, device):
            return 0

        def get_current_target(self):
            return self.target

    kernels, run = {}, triton.JITFunction.run

    def compile_only(self, *args, grid, warmup, **kwargs):
        kernels.setdefault(self.__name__, []).append(run(self, *args, grid=grid, warmup=True, **kwargs))

    monkeypatch.setattr(triton.JITFunction, 'run', compile_only)
    monkeypatch.setattr(driver, '_active', Device())
    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path))
    return kernels


def take_a_step(d, groups, length, dtype, last, words, monkeypatch):
    """Forward and backward of a layer."""
    from sw_mmseg.whitening.autograd import SwitchWhitenFunction, computation
    from sw_mmseg.whitening.backends.triton import backend as triton_backend
    from sw_mmseg.whitening.maths import Settings

    monkeypatch.setattr(computation, 'select', lambda *_: triton_backend)
    x = torch.zeros(2, groups * d, length, 1, dtype=dtype)
    x = x.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format).requires_grad_()
    parameters = [torch.zeros(size, requires_grad=True) for size in (groups * d, groups * d, len(words), len(words))]
    settings = Settings(tuple(words), d, 1e-5, 'newton', 5)
    y, *_ = SwitchWhitenFunction.apply(x, *parameters, None, settings)
    y.backward(torch.zeros_like(y))


SWA, SWB = ('bw', 'iw'), ('bw', 'iw', 'bn', 'in', 'ln')


@pytest.mark.parametrize(
    'capability, d, groups, length, dtype, last, words',
    [
        (80, 16, 4, 4096, torch.float32, False, SWA),
        slow(90, 16, 4, 4096, torch.bfloat16, True, SWB),
        slow(86, 20, 3, 5000, torch.float32, True, ('bw',)),
        (90, 1, 6, 49, torch.float16, False, ('bn',)),
        slow(120, 3, 1, 1, torch.bfloat16, False, ('iw', 'ln')),
    ],
)
def test_compiles(compiled, monkeypatch, capability, d, groups, length, dtype, last, words):
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver

    driver.active.target = GPUTarget('cuda', capability, 32)
    take_a_step(d, groups, length, dtype, last, words, monkeypatch)
    expected = {
        'moments_kernel',
        'gradient_kernel',
        'transform_kernel',
        'affine_kernel',
        'affine_backward_kernel',
        'finish_kernel',
        'input_kernel',
    }
    if {'iw', 'in', 'ln'}.isdisjoint(words):  # one A for all samples, whose b differ
        expected.add('vector_kernel')
    assert expected <= set(compiled)
    for kernel in (kernel for several in compiled.values() for kernel in several):
        assert kernel.metadata.shared <= SMALLEST_SHARED_MEMORY, kernel.name
        assert kernel.asm['cubin']
    for name in ('moments_kernel', 'gradient_kernel', 'transform_kernel') if d > 1 else ():
        assert 'tf32' in compiled[name][0].asm['ptx']  # not fused multiply-adds


@pytest.mark.parametrize(
    'capability, d, groups, length, dtype, words',
    [
        (90, 16, 4, 4096, torch.float32, SWA),
        slow(80, 20, 3, 50, torch.bfloat16, SWB),
        slow(90, 1, 6, 49, torch.float16, ('bn',)),
    ],
)
def test_the_kernels_of_a_whole_layer_compile(compiled, monkeypatch, capability, d, groups, length, dtype, words):
    """And what a program takes its ticket with both publishes what it wrote and sees what others did."""
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver

    from sw_mmseg.whitening.autograd import Running, whiten_whole
    from sw_mmseg.whitening.backends.triton import backend, layer
    from sw_mmseg.whitening.maths import Parameters, Settings

    driver.active.target = GPUTarget('cuda', capability, 32)
    monkeypatch.setattr(layer, 'processors_of', lambda _: 132)
    x = torch.zeros(2, groups * d, length, 1, dtype=dtype, requires_grad=True)
    parameters = [torch.zeros(size, requires_grad=True) for size in (groups * d, groups * d, len(words), len(words))]
    buffers = torch.zeros(groups * d), torch.zeros(groups, d, d), *torch.tensor([0, 0])
    settings = Settings(words, d, 1e-5, 'newton', 5)
    y = whiten_whole(x, Parameters(*parameters), Running(*buffers, 0.1), settings, backend)
    y.backward(torch.zeros_like(y))
    kernels = ['gather_moments_kernel', 'mix_kernel', 'apply_kernel', 'gather_gradients_kernel', 'unmix_kernel',
               'input_gradient_kernel']  # fmt: skip
    assert list(compiled) == kernels
    for kernel in (kernel for several in compiled.values() for kernel in several):
        assert kernel.metadata.shared <= SMALLEST_SHARED_MEMORY, kernel.name
        assert kernel.asm['cubin']
    tickets = {'unmix_kernel': 2} | dict.fromkeys(
        ['gather_moments_kernel', 'gather_gradients_kernel'], 2 * (length > 64)
    )
    for name, count in tickets.items():
        assert compiled[name][0].asm['ptx'].count('atom.global.gpu.acq_rel') == count, name
    assert 'tf32' in compiled['apply_kernel'][0].asm['ptx'] or d == 1


@pytest.mark.parametrize(
    'capability, d, groups, length, dtype, words',
    [
        (90, 16, 4, 4096, torch.float32, ('bw',)),
        slow(86, 64, 2, 4096, torch.float32, ('bw',)),
        slow(80, 20, 3, 50, torch.bfloat16, SWB),
    ],
)
def test_the_kernels_of_an_evaluation_compile(compiled, monkeypatch, capability, d, groups, length, dtype, words):
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver

    from sw_mmseg.whitening.autograd import Memory, Running, whiten_whole
    from sw_mmseg.whitening.backends.triton import backend
    from sw_mmseg.whitening.maths import Parameters, Settings

    driver.active.target = GPUTarget('cuda', capability, 32)
    parameters = Parameters(*map(torch.zeros, (groups * d, groups * d, len(words), len(words))))
    running = Running(torch.zeros(groups * d), torch.zeros(groups, d, d), *torch.tensor([0, 0]), None)
    x = torch.zeros(2, groups * d, length, 1, dtype=dtype)
    whiten_whole(x, parameters, running, Settings(words, d, 1e-5, 'newton', 5), backend, Memory())
    assert list(compiled) == [*(['gather_moments_kernel'] if 'iw' in words else []), 'evaluate_kernel']
    for kernel in (kernel for several in compiled.values() for kernel in several):
        assert kernel.metadata.shared <= SMALLEST_SHARED_MEMORY, kernel.name
        assert kernel.asm['cubin']


def test_a_second_call_finds_its_kernel_and_passes_all_that_triton_would(compiled, monkeypatch):
    """A kernel is found again only where Triton would take the same: not for other types, alignments or integers."""
    import triton
    from triton.compiler.compiler import CompiledKernel

    from sw_mmseg.whitening.backends.triton import launch as triton_launch
    from sw_mmseg.whitening.backends.triton.passes import track_kernel

    monkeypatch.setattr(triton_launch, '_COMPILED', {})
    asked, started, compile_only = [], [], triton.JITFunction.run

    def run(self, *args, **kwargs):
        compile_only(self, *args, **kwargs)
        asked.append(compiled[self.__name__][-1])
        return asked[-1]

    monkeypatch.setattr(triton.JITFunction, 'run', run)
    monkeypatch.setattr(
        CompiledKernel, '__getitem__', lambda self, grid: lambda *args: started.append((self, grid, args))
    )

    def launch(factor=0.1, size=64, offset=0, dtype=torch.float32):
        tensors = [
            torch.zeros(64),
            torch.zeros(80, dtype=dtype)[offset:],
            torch.zeros((), dtype=torch.long),
            torch.zeros((), dtype=torch.long),
            torch.zeros(64),
            torch.zeros(64),
        ]
        triton_launch.launch(track_kernel, 2, *tensors, factor, 1.0, 16, size, D=4, BLOCK=1024)
        return [tensor.data_ptr() for tensor in tensors]

    launch()
    assert len(asked) == 1 and not started
    addresses = launch(factor=0.3)
    assert len(asked) == 1 and started[0][1:] == ((2, 1, 1), (*addresses, 0.3, 1.0, 16, 64, 4, 1024))
    for other in ({'size': 65}, {'offset': 1}, {'dtype': torch.bfloat16}):
        before = len(asked)
        launch(**other)
        assert len(asked) == before + 1, other
    assert started[0][0] is asked[0] and len(started) == 1


def test_a_start_gives_a_kernel_the_addresses_of_its_places(monkeypatch):
    """Those of the views that the first start makes; views alone where a buffer is not aligned."""
    from sw_mmseg.whitening.backends.triton import launch as launching
    from sw_mmseg.whitening.backends.triton import start as starting

    asked, started, generic = [], [], []

    class Compiled:
        def __getitem__(self, grid):
            return lambda *values: started.append((grid, values))

    def compiled_for(kernel, programs, arguments, constants):
        asked.append([value.data_ptr() if isinstance(value, torch.Tensor) else value for value in arguments])
        assert arguments[1].dtype is torch.int32 and constants == {'D': 4, 'num_warps': 1}
        return Compiled()

    class Kernel:
        arg_names = ('first', 'second', 'third', 'size', 'eps', 'D')

    monkeypatch.setattr(launching, 'compiled_for', compiled_for)
    monkeypatch.setattr(launching, 'launch', lambda *arguments, **_: generic.append(arguments))
    places = [starting.Place('b'), starting.Place('a', 32, torch.int32), None, 7, 0.5]
    start = starting.Start(Kernel, ('a', 'b'), 3, places, D=4, num_warps=1)
    for _ in range(2):
        buffers = torch.zeros(64), torch.zeros(8)
        start(buffers, starting.addresses_of(buffers), True)
    assert len(asked) == 1 and started[0][0] == (3, 1, 1)
    assert started[0][1] == (buffers[1].data_ptr(), buffers[0].data_ptr() + 128, None, 7, 0.5, 4)
    start((buffers[0], buffers[1][1:]), [], False)
    assert len(started) == 1 and generic[0][2].data_ptr() == buffers[1].data_ptr() + 4


@pytest.mark.skipif(torch.cuda.is_available(), reason='runs where there is a CUDA device')
def test_the_benchmark_says_in_a_line_that_it_needs_a_device():
    tool = Path(__file__).resolve().parents[3] / 'tools/benchmark/kernels.py'
    done = subprocess.run([sys.executable, str(tool)], capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.splitlines() == ['error: no CUDA device here, and these kernels run on nothing else']
