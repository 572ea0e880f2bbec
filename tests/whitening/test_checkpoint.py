"""Checkpoints of BatchNorm and of other Ω: loaded with equal results, or refused with the reason."""

import copy
import io

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.utils import parametrize

from sw_mmseg.whitening import PRESETS, SwitchNorm2d, SwitchWhiten2d

EXACT = dict(rtol=1e-10, atol=1e-10)


def trained(layer):
    layer = layer.double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 1.0, 0.3)
    for _ in range(3):
        layer(torch.randn(4, layer.num_features, 5, 5, dtype=torch.float64) * 2 + 1)
    return layer


@pytest.mark.parametrize('statistics', [PRESETS['SWb'], PRESETS['SN'], ('bn',)], ids='+'.join)
def test_batchnorm_checkpoint_gives_the_same_output_where_bn_has_the_weight(statistics):
    source = trained(nn.BatchNorm2d(32))
    layer = SwitchWhiten2d(32, statistics=statistics, inverse_sqrt='eigh', dtype=torch.float64)
    layer.load_state_dict(source.state_dict())  # strict
    with torch.no_grad():
        for logits in (layer.mean_logits, layer.cov_logits):
            logits.copy_(torch.tensor([0.0 if word == 'bn' else -60.0 for word in statistics]))
    x = torch.randn(2, 32, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(layer.eval()(x), source.eval()(x), **EXACT)
    assert layer.num_batches_tracked == 3


def test_batchnorm_checkpoint_puts_variances_on_the_diagonal():
    source = trained(nn.BatchNorm2d(32))
    layer = SwitchWhiten2d(32, dtype=torch.float64)
    layer.load_state_dict(source.state_dict())
    expected = torch.stack([torch.diag(source.running_var[:16]), torch.diag(source.running_var[16:])])
    torch.testing.assert_close(layer.running_cov, expected)
    torch.testing.assert_close(layer.mean_logits, torch.ones(2).double())


def test_layer_without_batch_statistics_takes_the_affine_part(caplog):
    source = trained(nn.BatchNorm2d(32))
    layer = SwitchWhiten2d(32, statistics=('iw',), dtype=torch.float64)
    with caplog.at_level('INFO'):
        layer.load_state_dict(source.state_dict())
    torch.testing.assert_close(layer.weight, source.weight)
    assert 'running_mean' in caplog.text and 'not used' in caplog.text


def test_instance_norm_and_group_norm_checkpoints_load():
    for source in (nn.InstanceNorm2d(32, affine=True), nn.GroupNorm(4, 32)):
        nn.init.normal_(source.weight)
        layer = SwitchWhiten2d(32, statistics=('iw', 'ln'))
        layer.load_state_dict(source.state_dict())
        assert torch.equal(layer.weight, source.weight)


@pytest.mark.parametrize('statistics', PRESETS.values(), ids='+'.join)
def test_round_trips(statistics):
    layer = trained(SwitchWhiten2d(32, statistics=statistics, group_size=8))
    stream = io.BytesIO()
    torch.save(layer.state_dict(), stream)
    stream.seek(0)
    loaded = SwitchWhiten2d(32, statistics=statistics, group_size=8, dtype=torch.float64)
    loaded.load_state_dict(torch.load(stream, weights_only=True))
    whole = io.BytesIO()
    torch.save(layer, whole)
    whole.seek(0)
    pickled = torch.load(whole, weights_only=False)
    x = torch.randn(2, 32, 4, 4, dtype=torch.float64)
    expected = layer.eval()(x)
    for other in (loaded, copy.deepcopy(layer), pickled):
        assert torch.equal(other.eval()(x), expected)


def test_between_variances_and_covariances():
    whitening = trained(SwitchWhiten2d(32, statistics=('bw', 'iw', 'ln')))
    standard = SwitchNorm2d(32, dtype=torch.float64)
    standard.load_state_dict({**whitening.state_dict()})
    diagonal = whitening.running_cov.diagonal(dim1=-2, dim2=-1).flatten()
    torch.testing.assert_close(standard.running_cov.flatten(), diagonal)
    back = SwitchWhiten2d(32, statistics=('bw', 'iw', 'ln'), dtype=torch.float64)
    back.load_state_dict(standard.state_dict())
    torch.testing.assert_close(back.running_cov.diagonal(dim1=-2, dim2=-1).flatten(), diagonal)


def test_another_omega_or_group_size_is_refused_with_the_reason():
    checkpoint = SwitchWhiten2d(32, statistics=PRESETS['SWb']).state_dict()
    with pytest.raises(RuntimeError, match='weighs 5 statistics, the layer has 2'):
        SwitchWhiten2d(32).load_state_dict(checkpoint)
    with pytest.raises(RuntimeError, match='groups of 8 channels.*group_size=16'):
        SwitchWhiten2d(32).load_state_dict(SwitchWhiten2d(32, group_size=8).state_dict())


def test_missing_entries_are_still_missing():
    layer = SwitchWhiten2d(32)
    with pytest.raises(RuntimeError, match='Missing key.*weight'):
        layer.load_state_dict({})
    with pytest.raises(RuntimeError, match='Missing key.*running_cov'):
        layer.load_state_dict({'weight': torch.ones(32), 'bias': torch.zeros(32), 'running_mean': torch.zeros(32)})
    with pytest.raises(RuntimeError, match='cov_logits'):
        layer.load_state_dict({k: v for k, v in layer.state_dict().items() if k != 'cov_logits'})


def test_parametrised_logits_keep_their_names():
    """The entries are those of the parametrisation, and none is added beside them."""

    class Bounded(nn.Module):
        def forward(self, logits):
            return 3 * torch.tanh(logits)

    source, target = SwitchWhiten2d(16), SwitchWhiten2d(16)
    for layer in (source, target):
        for name in ('mean_logits', 'cov_logits'):
            parametrize.register_parametrization(layer, name, Bounded())
    source.parametrizations.mean_logits.original.data[0] = 0.5
    target.load_state_dict(source.state_dict())  # strict
    first, second = 3 * torch.tanh(torch.tensor([0.5, 1.0], dtype=torch.float64))
    assert target.mean_ratios()['bw'] == pytest.approx(torch.sigmoid(first - second).item(), abs=1e-6)
    missing = target.load_state_dict(nn.BatchNorm2d(16).state_dict(), strict=False)
    assert missing.unexpected_keys == [] and len(missing.missing_keys) == 2


@pytest.fixture
def group_of_one(tmp_path):
    dist.init_process_group('gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures('group_of_one')
def test_a_sharded_layer_that_ties_its_logits_loads_a_whole_state():
    """Of the two names of the parameter torch gives one in shards and one whole."""
    source = SwitchWhiten2d(16, tie_weights=True)
    with torch.no_grad():
        source.mean_logits[0] = 2.5
    layer = SwitchWhiten2d(16, tie_weights=True, device='meta')
    fully_shard(layer, mesh=init_device_mesh('cpu', (1,)))
    layer.to_empty(device='cpu')
    set_model_state_dict(layer, source.state_dict(), options=StateDictOptions(full_state_dict=True))
    assert layer.cov_logits is layer.mean_logits and layer.cov_logits.full_tensor().tolist() == [2.5, 1.0]
    x = torch.randn(2, 16, 5, 5)
    torch.testing.assert_close(layer(x), source(x))


@pytest.mark.parametrize(
    'entries, message',
    [
        (nn.BatchNorm2d(32).state_dict(), r'running_cov, shape \(32, 1, 1\), is of 32 channels, the layer has 16'),
        (dict(running_cov=torch.ones(16)), r'shape \(16,\), holds no covariances of groups.*\(1, 16, 16\)'),
        (dict(running_cov=torch.ones(2, 8, 8)), r'groups of 8 channels, .*16 channels: build it with group_size=8'),
        (dict(weight=np.ones(16)), r'"weight", expected torch.Tensor.*received <class .numpy.ndarray'),
        (dict(running_mean=np.ones(16)), r'"running_mean", expected torch.Tensor.*received <class .numpy.ndarray'),
        (dict(mean_logits=[1.0, 0.0]), r'"mean_logits", expected torch.Tensor.*received <class .list'),
    ],
    ids=['channels', 'rank', 'groups', 'numpy', 'numpy statistics', 'list'],
)
def test_what_does_not_fit_is_named(entries, message):
    layer = SwitchWhiten2d(16)
    with pytest.raises(RuntimeError, match=message):
        layer.load_state_dict({**layer.state_dict(), **entries}, strict=False)
