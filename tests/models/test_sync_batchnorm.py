"""SyncBN between processes on the CPU: two of them, with unequal halves of a batch, against BN on all of it."""

import os
import socket

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmcv.cnn import ConvModule, build_norm_layer
from mmengine.model import BaseModule
from torch import nn

import sw_mmseg.plugin  # noqa: F401  in the processes too
from sw_mmseg.models import SyncBatchNorm

SHARES = (slice(0, 1), slice(1, 4))


def inputs():
    generator = torch.Generator().manual_seed(3)
    x = 2 * torch.randn(4, 6, 5, 3, dtype=torch.float64, generator=generator) + 5
    return x, torch.randn(4, 6, 5, 3, dtype=torch.float64, generator=generator)


def layer(kind):
    torch.manual_seed(1)
    norm = {'SyncBN': SyncBatchNorm, 'BN': nn.BatchNorm2d}[kind](6).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


def step(norm, x, weights):
    x = x.clone().requires_grad_()
    output = norm(x)
    (output * weights).sum().backward()
    return {
        'output': output.detach(),
        'input': x.grad,
        'weight': norm.weight.grad,
        'bias': norm.bias.grad,
        **{name: value.clone() for name, value in norm.named_buffers()},
    }


def process(rank, port, folder):
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group('gloo', rank=rank, world_size=2)
    try:
        x, weights = inputs()
        tensors = step(layer('SyncBN'), x[SHARES[rank]], weights[SHARES[rank]])
        torch.save(tensors, os.path.join(folder, f'{rank}.pth'))
    finally:
        dist.destroy_process_group()


def test_two_processes_equal_one(tmp_path):
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        port = server.getsockname()[1]
    mp.start_processes(process, (port, str(tmp_path)), nprocs=2, start_method='spawn')
    expected = step(layer('BN'), *inputs())
    ranks = [torch.load(tmp_path / f'{rank}.pth') for rank in range(2)]
    for name in ('output', 'input'):
        torch.testing.assert_close(torch.cat([tensors[name] for tensors in ranks]), expected[name])
    for name in ('weight', 'bias'):  # each process has its own share of the sum
        torch.testing.assert_close(sum(tensors[name] for tensors in ranks), expected[name])
    for name in ('running_mean', 'running_var', 'num_batches_tracked'):
        assert not torch.equal(expected[name], dict(nn.BatchNorm2d(6).double().named_buffers())[name])
        for tensors in ranks:
            torch.testing.assert_close(tensors[name], expected[name])


@pytest.mark.parametrize('training', [True, False])
def test_alone_it_is_batchnorm(training):
    sync, plain = layer('SyncBN'), layer('BN')
    assert list(sync.state_dict()) == list(plain.state_dict()) == list(nn.SyncBatchNorm(6).state_dict())
    x, weights = inputs()
    tensors, expected = (step(norm.train(training), x, weights) for norm in (sync, plain))
    for name, value in expected.items():
        torch.testing.assert_close(tensors[name], value)


def test_configs_name_it_where_there_is_no_card_and_it_initialises_as_torchs():
    module = ConvModule(3, 8, 3, norm_cfg={'type': 'SyncBN', 'requires_grad': False})
    assert [name for name, _ in module.named_children()] == ['conv', 'bn', 'activate']
    assert isinstance(module.bn, nn.SyncBatchNorm if torch.cuda.is_available() else SyncBatchNorm)
    assert not module.bn.weight.requires_grad
    with pytest.raises(ValueError, match=r'got shape \(3,\)'):
        SyncBatchNorm(3)._check_input_dim(torch.zeros(3))

    class Network(BaseModule):
        def __init__(self):
            super().__init__([{'type': 'Constant', 'val': 0.5, 'layer': '_BatchNorm'}])
            self.bn = build_norm_layer({'type': 'SyncBN'}, 8)[1]

    network = Network()
    network.init_weights()
    assert (network.bn.weight == 0.5).all()


def test_evaluation_waits_for_nobody(tmp_path, monkeypatch):
    """Where nothing is tracked it takes the statistics of its batch, and one process may evaluate alone."""
    norm = SyncBatchNorm(6, track_running_stats=False).eval()
    x = torch.randn(4, 6, 5, 3)
    expected = nn.BatchNorm2d(6, track_running_stats=False).eval()(x)
    dist.init_process_group('gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1)
    try:
        monkeypatch.setattr(dist, 'all_reduce', lambda *_, **__: pytest.fail('an exchange between processes'))
        torch.testing.assert_close(norm(x), expected)
    finally:
        dist.destroy_process_group()
