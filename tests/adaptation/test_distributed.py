"""Two gloo processes, each with half the images, take the step that one process takes on all of them."""

import copy
import os

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.model import MMSeparateDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmengine.runner.checkpoint import get_state_dict
from mmseg.registry import MODELS

from tests.helpers.tiny_networks import SIZES, players, tiny_config, two_domain_batch

ISW = 'InstanceSelectiveWhitening'
STEPS = {
    'AdaptSegNet': 2,
    'AdvEnt': 2,
    'EntropyMinimization': 2,
    'SelfTraining': 3,
    ISW: 4,
}  # waits, compares twice, whitens
CASES = [
    (None, 'AdaptSegNet'),
    ('sw', 'AdaptSegNet'),
    ('sw', 'AdvEnt'),
    ('sw', 'EntropyMinimization'),
    ('sw', ISW),
    (None, 'SelfTraining'),
    ('sw', 'SelfTraining'),
]


def build(norm, method):
    torch.manual_seed(2)
    policy = 'source' if method == ISW else 'both'
    model = MODELS.build(tiny_config(method, norm=norm, statistics_from=policy)).double().train()
    for parameter in model.segmentor.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model


def full_batch(method):
    """Without ignored pixels: then the mean over processes is the mean over all."""
    batch = two_domain_batch(count=2, seed=9, **SIZES.get(method, {}))
    for data_sample in batch['source']['data_samples']:
        data_sample.gt_sem_seg.data %= 5
    return batch


def part(batch, index):
    return {domain: {key: value[index : index + 1] for key, value in side.items()} for domain, side in batch.items()}


def steps(model, case, batches):
    wrappers = build_optim_wrapper(
        model,
        {
            'constructor': 'DomainOptimWrapperConstructor',
            **{name: {'optimizer': {'type': 'SGD', 'lr': 0.1}} for name in players(getattr(model, 'module', model))},
        },
    )
    for batch in batches:
        model.train_step(batch['source'] if case[1] == ISW else batch, optim_wrapper=wrappers)


def process(rank, port, folder):
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group('gloo', rank=rank, world_size=2)
    try:
        for case in CASES:
            wrapped = MMSeparateDistributedDataParallel(build(*case))
            steps(wrapped, case, [part(full_batch(case[1]), rank)] * STEPS[case[1]])
            torch.save(get_state_dict(wrapped), os.path.join(folder, f'{case}{rank}.pth'))
    finally:
        dist.destroy_process_group()


def free_port():
    import socket

    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return server.getsockname()[1]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """What two processes make of every case: starting them is what takes time."""
    path = tmp_path_factory.mktemp('processes')
    mp.start_processes(process, (free_port(), str(path)), nprocs=2, start_method='spawn')
    return path


@pytest.mark.parametrize('case', CASES)
def test_two_processes_equal_one(folder, case):
    """SW synchronises by itself, so its statistics, too, are those of all images."""
    alone = build(*case)
    start, expected = copy.deepcopy(alone.state_dict()), alone.state_dict()
    steps(alone, case, [full_batch(case[1])] * STEPS[case[1]])
    for rank in range(2):
        state = torch.load(folder / f'{case}{rank}.pth')
        assert set(state) == set(expected)
        for name, value in expected.items():
            torch.testing.assert_close(state[name], value, rtol=1e-7, atol=1e-9, msg=f'{rank}: {name}')
    changed = [name for name, value in start.items() if not torch.equal(value, state[name])]
    assert all(any(player in name for name in changed) for player in players(alone))
    assert any('backbone.conv1' in name for name in changed)
    if case[1] == 'SelfTraining':  # draws are those of one process
        assert 'teacher.network.backbone.conv1.weight' in changed
    if case[1] == ISW:
        assert {'covariances.0.variance', 'covariances.0.mask', 'iteration'} <= set(changed)
