"""Several processes against one on the joined batch: outputs, gradients and running statistics, in fp64."""

import os

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from sw_mmseg.whitening import SwitchWhiten2d

from .helpers.reference import SUBSETS

WITH_BATCH = [statistics for statistics in SUBSETS if {'bw', 'bn'} & set(statistics)]
COMPILED = [('bw', 'iw'), ('bn',)]
SIZES = {2: (3, 1), 3: (2, 0, 3)}  # samples a process; none is allowed


def make_layer(statistics, dtype=torch.float64):
    torch.manual_seed(5)
    layer = SwitchWhiten2d(8, statistics=statistics, group_size=4, dtype=dtype)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, 0.5, 0.5)
    return layer


def run(layer, x, grad, program=None):
    x = x.clone().requires_grad_()
    y = (layer if program is None else program)(x)
    (y * grad).sum().backward()
    return [y.detach(), x.grad, *[p.grad for p in layer.parameters()], *layer.buffers()]


def worker(rank, world, path, results):
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{path}', rank=rank, world_size=world)
    collected = {}
    for statistics in WITH_BATCH:
        layer = make_layer(statistics)
        x, grad = joined(world)
        rows = slice(sum(SIZES[world][:rank]), sum(SIZES[world][: rank + 1]))
        collected[statistics] = run(layer, x[rows], grad[rows])
        single = make_layer(statistics, torch.float32)  # other code than double's: none is in C
        collected[statistics, 'single'] = run(single, x[rows].float(), grad[rows].float())
        if statistics in COMPILED and 0 not in SIZES[world]:  # an operator of torch.compile knows no empty batch
            torch._dynamo.reset()
            layer = make_layer(statistics)
            program = torch.compile(layer, backend='aot_eager', fullgraph=True)
            collected[statistics, 'compiled'] = run(layer, x[rows], grad[rows], program)
    torch.save(collected, results + str(rank))
    dist.barrier()
    dist.destroy_process_group()


def joined(world):
    torch.manual_seed(7)
    shape = (sum(SIZES[world]), 8, 4, 3)
    return torch.randn(shape, dtype=torch.float64) + 2, torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize('world', [2, pytest.param(3, marks=pytest.mark.slow)])
def test_processes_equal_one_on_the_joined_batch(world, tmp_path):
    results = os.path.join(tmp_path, 'rank')
    mp.spawn(worker, args=(world, os.path.join(tmp_path, 'store'), results), nprocs=world)
    ranks = [torch.load(results + str(rank), weights_only=True) for rank in range(world)]
    assert len(WITH_BATCH) == 24
    keys = [
        *WITH_BATCH,
        *((statistics, 'single') for statistics in WITH_BATCH),
        *((statistics, 'compiled') for statistics in COMPILED if 0 not in SIZES[world]),
    ]
    assert set(ranks[0]) == set(keys)
    for key in keys:
        form = key[-1] if isinstance(key[0], tuple) else 'double'
        layer = make_layer(key if form == 'double' else key[0])
        expected = run(layer, *joined(world))
        parts = [rank[key] for rank in ranks]
        count = len(list(layer.parameters()))
        compare = dict(rtol=2e-4, atol=2e-4, check_dtype=False) if form == 'single' else dict(rtol=1e-10, atol=1e-10)
        for index in (0, 1):  # output, input gradient: side by side
            torch.testing.assert_close(torch.cat([part[index] for part in parts]), expected[index], **compare)
        for index in range(2, 2 + count):  # parameter gradients add up
            torch.testing.assert_close(sum(part[index] for part in parts), expected[index], **compare)
        for part in parts:  # running statistics are those of the joined batch on every process
            for ours, whole in zip(part[2 + count :], expected[2 + count :]):
                torch.testing.assert_close(ours, whole, **compare)
