"""Statistics over two of four processes: each pair is a batch of its own, whatever the other pair does, and the
gradients of parameters are exchanged among all four."""

import datetime
import os

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from sw_mmseg.whitening import SwitchWhiten2d

from .helpers.reference import SUBSETS

pytestmark = pytest.mark.robustness
PAIRS = ((0, 1), (2, 3))
SIZES = (3, 1, 2, 2)  # samples a process
CASES = [(words, invert) for words in SUBSETS for invert in ('newton', 'eigh')]
EXACT = dict(rtol=1e-9, atol=1e-9)


def network(words, inverse_sqrt, group=None):
    torch.manual_seed(5)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        SwitchWhiten2d(8, statistics=words, group_size=4, inverse_sqrt=inverse_sqrt, process_group=group),
    )
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0.5, 0.5)
    return model.double()


def batch(rank):
    """Images, which differ from process to process in mean and deviation, and gradients of the output."""
    torch.manual_seed(30 + rank)
    x = torch.randn(SIZES[rank], 3, 4, 5, dtype=torch.float64) * (1 + rank) + rank
    return x, torch.randn(SIZES[rank], 8, 4, 5, dtype=torch.float64)


def step(model, x, grad):
    """Output, the input's gradient, gradients of parameters, running statistics."""
    x = x.clone().requires_grad_()
    y = model(x)
    (y * grad).sum().backward()
    return [y.detach(), x.grad], [p.grad for p in model.parameters()], list(model.buffers())


def worker(rank, path, results):
    torch.set_num_threads(1)
    dist.init_process_group(
        'gloo', init_method=f'file://{path}', rank=rank, world_size=4, timeout=datetime.timedelta(seconds=60)
    )
    groups = [dist.new_group(list(pair)) for pair in PAIRS]
    torch.save(
        [
            step(
                # buffers stay those of the pair: broadcast, all four would begin with the first one's
                DistributedDataParallel(network(*case, groups[rank // 2]), broadcast_buffers=False),
                *batch(rank),
            )
            for case in CASES
        ],
        results + str(rank),
    )
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp('pairs')
    results = os.path.join(folder, 'rank')
    mp.spawn(worker, args=(os.path.join(folder, 'store'), results), nprocs=4)
    return [torch.load(results + str(rank), weights_only=True) for rank in range(4)]


def test_each_pair_equals_one_process_on_the_joined_batch(ranks):
    assert len(CASES) == 62
    for index, case in enumerate(CASES):
        gradients = None
        for pair in PAIRS:
            joined = [torch.cat(parts) for parts in zip(*map(batch, pair))]
            whole, parameters, buffers = step(network(*case), *joined)
            gradients = parameters if gradients is None else [a + b for a, b in zip(gradients, parameters)]
            for place, expected in enumerate(whole):
                ours = torch.cat([ranks[rank][index][0][place] for rank in pair])
                torch.testing.assert_close(ours, expected, **EXACT, msg=f'{case} {pair}')
            for rank in pair:
                for ours, expected in zip(ranks[rank][index][2], buffers, strict=True):
                    torch.testing.assert_close(ours, expected, **EXACT, msg=f'{case} {pair}')
        for rank in range(4):  # a mean over processes there, a sum here
            for ours, expected in zip(ranks[rank][index][1], gradients, strict=True):
                torch.testing.assert_close(4 * ours, expected, **EXACT, msg=f'{case}')


def test_pairs_differ():
    """Else nothing would be proved: one batch of all four gives other statistics."""
    one = step(network(('bw', 'iw'), 'newton'), *[torch.cat(parts) for parts in zip(*map(batch, PAIRS[0]))])
    two = step(network(('bw', 'iw'), 'newton'), *[torch.cat(parts) for parts in zip(*map(batch, range(4)))])
    assert (one[0][0] - two[0][0][:4]).abs().max() > 0.01
