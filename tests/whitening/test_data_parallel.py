"""Networks under DistributedDataParallel against one process on the joined batch; what travels between processes."""

import contextlib
import datetime
import os

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from sw_mmseg.whitening import PRESETS, SwitchWhiten2d
from tests.helpers.slow_cases import slow

from .helpers.reference import SUBSETS, moments

WITH_BATCH = [statistics for statistics in SUBSETS if {'bw', 'bn'} & set(statistics)]
ACCUMULATED = [PRESETS['SWa'], PRESETS['SWb'], PRESETS['SN'], ('bw',), ('bn',)]
# samples a process, in two successive batches
SIZES = {2: ((3, 1), (2, 2)), 3: ((2, 0, 3), (1, 2, 1)), 4: ((2, 0, 3, 1), (1, 2, 1, 2))}
WORLDS = [2, slow(3), pytest.param(4, marks=pytest.mark.robustness)]
WIDTHS = (4, 2, 7, 3)  # of the images of each process where they differ
DOUBLE = dict(dtype=torch.float64)
EXACT = dict(rtol=1e-10, atol=1e-10)


def network(statistics):
    torch.manual_seed(5)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        SwitchWhiten2d(8, statistics=statistics, group_size=4),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 1),
        SwitchWhiten2d(8, statistics=statistics, group_size=4, tie_weights=True),
    )
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0.5, 0.5)
    return model.double()


def batches(world):
    """Both batches, joined: (images, gradients of the output)."""
    torch.manual_seed(7)
    return [
        (torch.randn(sum(sizes), 3, 4, 5, **DOUBLE) + 2, torch.randn(sum(sizes), 8, 4, 5, **DOUBLE))
        for sizes in SIZES[world]
    ]


def train(model, pairs):
    """Forward and backward of each batch; gradients are exchanged with the last one only."""
    seen = []
    for index, (x, grad) in enumerate(pairs):
        waits = index + 1 < len(pairs) and isinstance(model, DistributedDataParallel)
        with model.no_sync() if waits else contextlib.nullcontext():
            x = x.clone().requires_grad_()
            y = model(x)
            (y * grad).sum().backward()
        seen += [y.detach(), x.grad]
    bare = getattr(model, 'module', model)
    return dict(seen=seen, gradients=[p.grad for p in bare.parameters()], buffers=[b.clone() for b in bare.buffers()])


def share(pairs, rank, world):
    return [
        (x[sum(sizes[:rank]) : sum(sizes[: rank + 1])], grad[sum(sizes[:rank]) : sum(sizes[: rank + 1])])
        for (x, grad), sizes in zip(pairs, SIZES[world])
    ]


def count_all_reduces(run):
    with torch.autograd.profiler.profile() as profile:
        result = run()
    return sum(event.name == 'c10d::allreduce_' for event in profile.function_events), result


def collectives(layer, x):
    """All-reduces of the forward and of the backward."""
    forward, y = count_all_reduces(lambda: layer(x.clone().requires_grad_()))
    backward, _ = count_all_reduces(lambda: y.sum().backward())
    return forward, backward


def normalise(layer, x):
    """Output and running statistics, which are those of the batch: momentum is 1."""
    y = layer(x)
    return [y.detach(), layer.running_mean, layer.running_cov]


def some_layer(**options):
    return SwitchWhiten2d(8, momentum=1.0, group_size=4, inverse_sqrt='eigh', **options)


def images(rank, width=5):
    torch.manual_seed(20 + rank)
    return torch.randn(2, 8, 3, width, **DOUBLE) + rank


def far_from_zero(world):
    torch.manual_seed(9)
    return (torch.randn(2 * world, 8, 12, 12) + 1000 * torch.sign(torch.randn(8, 1, 1))).float()


def worker(rank, world, path, results):
    torch.set_num_threads(1)
    dist.init_process_group(
        'gloo', init_method=f'file://{path}', rank=rank, world_size=world, timeout=datetime.timedelta(seconds=60)
    )
    pairs = share(batches(world), rank, world)
    tensors = {
        'step': {words: train(DistributedDataParallel(network(words)), pairs[:1]) for words in WITH_BATCH},
        'accumulated': {words: train(DistributedDataParallel(network(words)), pairs) for words in ACCUMULATED},
        'collectives': {
            words: collectives(SwitchWhiten2d(8, statistics=words, group_size=4), torch.randn(2, 8, 3, 3))
            for words in SUBSETS
        },
        'not asked': collectives(SwitchWhiten2d(8, group_size=4, sync=False), torch.randn(2, 8, 3, 3)),
        'evaluation': collectives(SwitchWhiten2d(8, group_size=4).eval(), torch.randn(2, 8, 3, 3)),
        'widths': normalise(some_layer(**DOUBLE), images(rank, WIDTHS[rank])),
        'subgroup': normalise(some_layer(process_group=dist.new_group([0, 1]), **DOUBLE), images(rank)),
        'pair': normalise(some_layer(process_group=dist.new_group([world - 1]), **DOUBLE), images(rank)),
        'single': normalise(some_layer(), far_from_zero(world)[2 * rank : 2 * rank + 2]),
    }
    # only one process needs the gradient of its input: the others enter the collective for it
    layer, x = some_layer(**DOUBLE), images(rank).requires_grad_(rank == 0)
    (layer(x) * images(rank + 10)).sum().backward()
    tensors['one needs'] = x.grad
    torch.save(tensors, results + str(rank))
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope='module', params=WORLDS)
def ranks(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp('ranks')
    results = os.path.join(folder, 'rank')
    mp.spawn(worker, args=(request.param, os.path.join(folder, 'store'), results), nprocs=request.param)
    return [torch.load(results + str(rank), weights_only=True) for rank in range(request.param)]


def compare(case, subsets, ranks, count):
    """Outputs and input gradients side by side are the joined ones; DDP's mean of gradients is a sum here."""
    world = len(ranks)
    for words in subsets:
        expected = train(network(words), batches(world)[:count])
        parts = [rank[case][words] for rank in ranks]
        for index, whole in enumerate(expected['seen']):
            torch.testing.assert_close(torch.cat([part['seen'][index] for part in parts]), whole, **EXACT)
        for part in parts:
            for ours, whole in zip(part['gradients'], expected['gradients'], strict=True):
                torch.testing.assert_close(ours * world, whole, **EXACT)
            for ours, whole in zip(part['buffers'], expected['buffers'], strict=True):
                torch.testing.assert_close(ours, whole, **EXACT)


def test_a_step_under_ddp(ranks):
    assert len(WITH_BATCH) == 24
    compare('step', WITH_BATCH, ranks, 1)


def test_accumulated_gradients_without_exchange_in_between(ranks):
    compare('accumulated', ACCUMULATED, ranks, 2)


def test_one_all_reduce_each_way_and_none_without_a_batch_statistic(ranks):
    assert len(SUBSETS) == 31
    for rank in ranks:
        expected = {words: (1, 1) if words in WITH_BATCH else (0, 0) for words in SUBSETS}
        assert rank['collectives'] == expected
        assert rank['not asked'] == rank['evaluation'] == (0, 0)


def test_images_of_different_sizes_count_by_pixel(ranks):
    inputs = [images(rank, WIDTHS[rank]).numpy() for rank in range(len(ranks))]
    columns = np.concatenate([x.transpose(1, 0, 2, 3).reshape(8, -1) for x in inputs], axis=1)
    count = columns.shape[1]
    for rank in ranks:
        _, mean, cov = rank['widths']
        np.testing.assert_allclose(mean, columns.mean(axis=1), **EXACT)
        for group in range(2):
            biased = moments(columns[4 * group : 4 * group + 4])[1]
            np.testing.assert_allclose(cov[group], biased * count / (count - 1), **EXACT)


def test_a_process_group_is_the_batch(ranks):
    """Ranks 0 and 1 share theirs; a process outside of the group it was given has its own."""
    joined = normalise(some_layer(**DOUBLE), torch.cat([images(0), images(1)]))
    for index, rank in enumerate(ranks):
        alone = normalise(some_layer(**DOUBLE), images(index))
        expected = [joined[0][2 * index : 2 * index + 2], *joined[1:]] if index < 2 else alone
        for ours, whole in zip(rank['subgroup'], expected, strict=True):
            torch.testing.assert_close(ours, whole, **EXACT)
        for ours, whole in zip(rank['pair'], alone, strict=True):
            torch.testing.assert_close(ours, whole, **EXACT)


def test_single_precision_far_from_zero(ranks):
    x = far_from_zero(len(ranks))
    exact = normalise(some_layer(**DOUBLE), x.double())
    output = torch.cat([rank['single'][0] for rank in ranks])
    torch.testing.assert_close(output.double(), exact[0], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(ranks[0]['single'][2].double(), exact[2], rtol=1e-3, atol=1e-3)


def test_gradient_where_one_process_needs_it(ranks):
    x = torch.cat([images(rank) for rank in range(len(ranks))]).requires_grad_()
    grad = torch.cat([images(rank + 10) for rank in range(len(ranks))])
    (some_layer(**DOUBLE)(x) * grad).sum().backward()
    torch.testing.assert_close(ranks[0]['one needs'], x.grad[:2], **EXACT)
    assert all(rank['one needs'] is None for rank in ranks[1:])
