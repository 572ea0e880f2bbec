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
from tiny_networks import tiny_config, two_domain_batch


def build(norm):
    torch.manual_seed(2)
    model = MODELS.build(tiny_config(norm=norm, statistics_from='both')).double().train()
    for parameter in model.segmentor.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model


def full_batch():
    """Without ignored pixels: then the mean over processes is the mean over all."""
    batch = two_domain_batch(count=2, seed=9)
    for data_sample in batch['source']['data_samples']:
        data_sample.gt_sem_seg.data %= 5
    return batch


def part(batch, index):
    return {domain: {key: value[index:index + 1] for key, value in side.items()} for domain, side in batch.items()}


def steps(model, batches):
    section = {'optimizer': {'type': 'SGD', 'lr': 0.1}}
    wrappers = build_optim_wrapper(model, {
        'constructor': 'DomainOptimWrapperConstructor', 'segmentor': section, 'discriminator': section})
    for batch in batches:
        model.train_step(batch, optim_wrapper=wrappers)


def process(rank, port, folder, norm):
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group('gloo', rank=rank, world_size=2)
    try:
        model = build(norm)
        wrapped = MMSeparateDistributedDataParallel(model)
        steps(wrapped, [part(full_batch(), rank), part(full_batch(), 1 - rank)])
        torch.save(get_state_dict(wrapped), os.path.join(folder, f'{rank}.pth'))
    finally:
        dist.destroy_process_group()


def free_port():
    import socket

    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return server.getsockname()[1]


@pytest.mark.parametrize('norm', [None, 'sw'])
def test_two_processes_equal_one(tmp_path, norm):
    """SW synchronises by itself, so its statistics, too, are those of all images."""
    alone = build(norm)
    start = copy.deepcopy(alone.state_dict())
    steps(alone, [full_batch(), full_batch()])
    mp.start_processes(process, (free_port(), str(tmp_path), norm), nprocs=2, start_method='spawn')
    for rank in range(2):
        state = torch.load(tmp_path / f'{rank}.pth')
        expected = alone.state_dict()
        assert set(state) == set(expected)
        for name, value in expected.items():
            torch.testing.assert_close(state[name], value, rtol=1e-7, atol=1e-9, msg=f'{rank}: {name}')
    changed = [name for name, value in start.items() if not torch.equal(value, state[name])]
    assert any('discriminator' in name for name in changed) and any('backbone.conv1' in name for name in changed)
