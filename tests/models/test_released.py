"""The authors' released models: converted, they compute what their formula gives; anything else is refused by key."""

import copy

import pytest
import torch
import torchvision

from sw_mmseg.models.released import RELEASED, ReleasedError, convert_released, released_norms
from sw_mmseg.models.released.conversion import _convert_layer
from sw_mmseg.models.released.layout import classifier, convolutions, norms
from sw_mmseg.whitening import SwitchWhiten2d, replace_norm
from tests.helpers.released_networks import SITES, PublishedLayer, published_network, published_state
from tests.helpers.slow_cases import slow

EXACT = dict(rtol=1e-9, atol=1e-9)
SHALLOW = ('resnet50', 'densenet121')
STATISTICS = {2: ('bw', 'iw'), 3: ('bw', 'iw', 'ln'), 5: ('bw', 'iw', 'bn', 'in', 'ln')}


def ours(arch, released):
    """torchvision's network with our layers where the released file has SW."""
    network = getattr(torchvision.models, arch)(weights=None)
    options = {key: value for key, value in released.norm_cfg.items() if key != 'type'}
    for name in released_norms(arch):
        replace_norm(network, name, SwitchWhiten2d(network.get_submodule(name).num_features, **options))
    network.load_state_dict(released.state, strict=True)
    return network.eval()


@pytest.fixture(scope='module')
def state50():
    torch.manual_seed(0)
    return published_state(published_network('resnet50'), 'resnet50')


@pytest.mark.parametrize('arch', RELEASED)
def test_names_and_shapes_are_torchvisions(arch):
    with torch.device('meta'):
        network = getattr(torchvision.models, arch)()
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    norm_keys = {
        f'{name}.{key}'
        for name in norms(arch)
        for key in ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')
    }
    head, features = classifier(arch)
    assert convolutions(arch).keys() | norm_keys | {f'{head}.weight', f'{head}.bias'} == shapes.keys()
    assert all(shapes[key] == shape for key, shape in convolutions(arch).items())
    assert all(shapes[f'{name}.weight'] == (channels,) for name, channels in norms(arch).items())
    assert shapes[f'{head}.weight'] == (1000, features)
    assert released_norms(arch) == SITES[arch]


@pytest.mark.parametrize('tied', [False, True], ids=['untied', 'tied'])
@pytest.mark.parametrize('arch', [arch if arch in SHALLOW else slow(arch) for arch in RELEASED])
@torch.no_grad()
def test_a_converted_network_computes_what_the_released_one_does(arch, tied):
    network = published_network(arch, tied=tied).double()
    released = convert_released(published_state(network, arch), layout='torchvision')
    assert released.arch == arch
    assert released.norm_cfg == dict(type='SW', statistics=['bw', 'iw'], group_size=16, eps=1e-5, tie_weights=tied)
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    expected = network(images)
    assert expected.std() > 1e-3
    torch.testing.assert_close(ours(arch, released).double()(images), expected, **EXACT)


@pytest.mark.parametrize('tied', [False, True], ids=['untied', 'tied'])
@pytest.mark.parametrize('count', STATISTICS)
@torch.no_grad()
def test_a_converted_layer_with_any_statistics(count, tied):
    """Exact but for σ_ln, which theirs divides by one value less: 1 / 1920 of it for 32 channels of 6×10."""
    for unbiased in (False, True):
        published = PublishedLayer(32, count, tied, unbiased=unbiased).double()
        layer = SwitchWhiten2d(32, statistics=STATISTICS[count], tie_weights=tied and count != 5, dtype=torch.float64)
        layer.load_state_dict({**_convert_layer(published.state_dict()), 'num_batches_tracked': torch.tensor(0)})
        x = 1 + 2 * torch.randn(3, 32, 6, 10, dtype=torch.float64)
        tolerance = dict(rtol=1e-3, atol=1e-3) if unbiased and count > 2 else EXACT
        torch.testing.assert_close(layer.eval()(x), published(x), **tolerance)


@torch.no_grad()
def test_five_statistics_where_weights_are_extreme():
    """Weights of the full matrices that sum to almost two, and to almost nothing: eps must not move."""
    for logits in ([6.0, 0, -6, -6, -6], [-6.0, -6, 6, 0, 0], [-20.0, 3, 0, 0, 0]):
        published = PublishedLayer(16, 5, unbiased=False).double()
        published.sw_var_weight.copy_(torch.tensor(logits))
        published.running_cov.mul_(1e-3)  # so that eps counts
        layer = SwitchWhiten2d(16, statistics=STATISTICS[5], dtype=torch.float64)
        layer.load_state_dict({**_convert_layer(published.state_dict()), 'num_batches_tracked': torch.tensor(0)})
        x = 0.03 * torch.randn(2, 16, 5, 7, dtype=torch.float64)
        torch.testing.assert_close(layer.eval()(x), published(x), rtol=1e-6, atol=1e-6)


def test_layouts_are_those_of_mmpretrains_networks(state50):
    torchvision_names = convert_released(state50, layout='torchvision').state
    whole = convert_released(state50).state
    backbone = convert_released(state50, layout='backbone').state
    assert whole.keys() == {f'backbone.{key}' for key in backbone} | {'head.fc.weight', 'head.fc.bias'}
    assert backbone.keys() == torchvision_names.keys() - {'fc.weight', 'fc.bias'}
    assert torch.equal(whole['head.fc.weight'], torchvision_names['fc.weight'])
    assert released_norms('densenet121', 'mmpretrain')[:3] == [
        'backbone.stem.1',
        'backbone.stages.0.block.0.norm1',
        'backbone.stages.0.block.3.norm1',
    ]


def test_files_of_old_versions_and_without_prefix(state50):
    state = {
        key.removeprefix('module.'): value for key, value in state50.items() if not key.endswith('num_batches_tracked')
    }
    assert convert_released(state, 'resnet50').state['backbone.layer4.2.bn3.num_batches_tracked'] == 0


def test_the_file_is_left_as_it_was(state50):
    before = copy.deepcopy(state50)
    convert_released(state50)
    assert before.keys() == state50.keys() and all(torch.equal(before[key], state50[key]) for key in before)


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(remove='module.layer1.0.bn1.weight'), r'lacks layer1\.0\.bn1\.weight$'),
        (dict(remove='module.sw1.sw_var_weight'), 'SW layers of one file differ.*sw1'),
        (dict(remove='module.layer2.1.sw2.sw_mean_weight'), r'no SW layer layer2\.1\.sw2'),
        (dict(remove='module.layer1.0.conv1.weight'), 'not a released model'),
        (dict(add='module.layer1.0.sw2.weight'), r'has, unexpected, layer1\.0\.sw2\.weight$'),
        (dict(shape='module.layer3.1.sw2.running_cov'), r'running_cov \(1, 16, 16\) instead of \(16, 16, 16\)'),
        (dict(shape='module.fc.bias'), r'fc\.bias \(1,\) instead of \(1000,\)'),
        (dict(nan='module.sw1.running_cov'), r'not finite sw1\.running_cov'),
    ],
    ids=lambda change: '-'.join(change) if isinstance(change, dict) else '',
)
def test_what_is_not_released_is_refused_by_key(state50, change, message):
    state = dict(state50)
    if 'remove' in change:
        del state[change['remove']]
    if 'add' in change:
        state[change['add']] = torch.ones(64)
    if 'shape' in change:
        state[change['shape']] = state[change['shape']][:1]
    if 'nan' in change:
        state[change['nan']] = torch.full_like(state[change['nan']], float('nan'))
    with pytest.raises(ReleasedError, match=message):
        convert_released(state)


def test_a_plain_network_is_not_one_of_them():
    with pytest.raises(ReleasedError, match='no SW layer sw1 in the file'):
        convert_released(torchvision.models.resnet50().state_dict())


def test_another_architecture_or_layout_is_refused(state50):
    with pytest.raises(ReleasedError, match=r'not the released resnet101: no SW layer layer3\.7\.sw2'):
        convert_released(state50, 'resnet101')
    with pytest.raises(ValueError, match="arch='resnet18'"):
        convert_released(state50, 'resnet18')
    with pytest.raises(ValueError, match="layout='timm'"):
        convert_released(state50, layout='timm')
    with pytest.raises(ReleasedError, match='epoch are not tensors'):
        convert_released({**state50, 'epoch': 3})
    four = {key: torch.ones(4) if 'sw_' in key else value for key, value in state50.items()}
    with pytest.raises(ReleasedError, match='4 statistics are not known'):
        convert_released(four)
