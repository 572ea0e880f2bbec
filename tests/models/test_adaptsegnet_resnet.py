"""AdaptSegNet's ResNet101 and its optimiser, against what its code says, written down here once more."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS
from torch import nn

from sw_mmseg.engine import RepeatedSGD
from sw_mmseg.models import AdaptSegNetResNet
from sw_mmseg.running.named_configs import load_named
from sw_mmseg.running.paths import shipped_config

SHAPE = {
    'depth': 50,
    'base_channels': 4,
    'stem_channels': 4,
    'strides': (1, 2, 1, 1),
    'dilations': (1, 1, 2, 4),
    'out_indices': (2, 3),
}


def settings(convolution):
    return [getattr(convolution, name)[0] for name in ('kernel_size', 'stride', 'padding', 'dilation')]


def test_strides_stand_in_the_first_convolution():
    network = AdaptSegNetResNet(**SHAPE)
    for number, (stride, dilation) in enumerate(((1, 1), (2, 1), (1, 2), (1, 4)), 1):
        for place, block in enumerate(getattr(network, f'layer{number}')):
            first = stride if place == 0 else 1
            assert settings(block.conv1) == [1, first, 0, 1] and settings(block.conv3) == [1, 1, 0, 1]
            assert settings(block.conv2) == [3, 1, dilation, dilation]
            assert (block.downsample is None) == (place > 0)
            assert place or settings(block.downsample[0]) == [1, first, 0, 1]
    assert settings(ResNet(**SHAPE).layer2[0].conv2)[1] == 2  # the default's
    with pytest.raises(TypeError, match='style'):
        AdaptSegNetResNet(50, style='pytorch')


@pytest.mark.parametrize('side, up, down', [(64, 9, 8), (66, 9, 9), (72, 10, 9), (512, 65, 64), (321, 41, 41)])
def test_the_pooling_rounds_up(side, up, down):
    """Output stride 8: halved by the stem's convolution (kernel 7, padding 3), pooling (3, 1), stage 2 (1, 0)."""
    convolved = (side - 1) // 2 + 1
    pooled = -(-(convolved - 1) // 2) + 1, (convolved - 1) // 2 + 1
    assert [(size - 1) // 2 + 1 for size in pooled] == [up, down]
    for network, expected in ((AdaptSegNetResNet(**SHAPE), up), (ResNet(**SHAPE), down)):
        network.eval()
        assert [output.shape[-2:] for output in network(torch.zeros(1, 3, side, side))] == [(expected, expected)] * 2


def test_scales_are_frozen_and_statistics_move():
    network = AdaptSegNetResNet(**SHAPE)
    network.train()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    network(torch.randn(2, 3, 64, 64))
    assert len(norms) == 53 and not any(p.requires_grad for norm in norms for p in norm.parameters())
    assert not any(torch.equal(norm.running_mean, mean) for norm, mean in zip(norms, before))
    assert all(p.requires_grad for p in network.conv1.parameters())


def duplicates(backbone):
    """The parameters in the order and as often as AdaptSegNet's own code lists them."""
    for child in backbone.children():
        for module in child.modules():
            yield from (parameter for parameter in module.parameters() if parameter.requires_grad)


class Small(nn.Module):
    """A segmentor with a stem, a stage of blocks with a shortcut, and a head."""

    def __init__(self):
        super().__init__()
        block = nn.ModuleDict({'conv1': nn.Linear(3, 3), 'downsample': nn.Sequential(nn.Linear(3, 3))})
        self.backbone = nn.ModuleDict({'conv1': nn.Linear(3, 3), 'layer1': nn.Sequential(block)})
        self.decode_head = nn.Linear(3, 1)

    def forward(self, x):
        block = self.backbone['layer1'][0]
        x = self.backbone['conv1'](x)
        return self.decode_head(torch.tanh(block['conv1'](x)) + block['downsample'](x)).square().mean()


def test_the_optimiser_is_that_of_the_published_list():
    torch.manual_seed(0)
    model, images = Small(), torch.randn(5, 8, 3)
    other = Small()
    other.load_state_dict(model.state_dict())
    wrapper = OPTIM_WRAPPER_CONSTRUCTORS.build(
        {
            'type': 'AdaptSegNetConstructor',
            'paramwise_cfg': {'custom_keys': {'decode_head': {'lr_mult': 10.0}}},
            'optim_wrapper_cfg': {
                'type': 'OptimWrapper',
                'optimizer': {'type': 'SGD', 'lr': 0.01, 'momentum': 0.9, 'weight_decay': 5e-4},
            },
        }
    )(model)
    times = {
        name: next(group['times'] for group in wrapper.optimizer.param_groups if group['params'][0] is parameter)
        for name, parameter in model.named_parameters()
    }
    assert times == {
        f'{name}.{kind}': count
        for name, count in (
            ('backbone.conv1', 1),
            ('backbone.layer1.0.conv1', 3),
            ('backbone.layer1.0.downsample.0', 4),
            ('decode_head', 1),
        )
        for kind in ('weight', 'bias')
    }
    buffers = {}
    for batch in images:
        wrapper.update_params(model(batch))
        other.zero_grad()
        other(batch).backward()
        with torch.no_grad():
            for rate, parameters in ((0.01, duplicates(other.backbone)), (0.1, other.decode_head.parameters())):
                for parameter in parameters:  # SGD, one after the other
                    gradient = parameter.grad + 5e-4 * parameter
                    before = buffers.get(parameter)
                    buffers[parameter] = gradient if before is None else 0.9 * before + gradient
                    parameter -= rate * buffers[parameter]
    for (name, ours), theirs in zip(model.named_parameters(), other.parameters()):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7, msg=name)
    state = wrapper.state_dict()
    assert [group['times'] for group in state['param_groups']] == list(times.values())


def test_the_optimiser_refuses_what_it_cannot_repeat():
    for optimizer, paramwise in (('Adam', {'norm_decay_mult': 0}), ('SGD', None)):
        constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(
            {
                'type': 'AdaptSegNetConstructor',
                'paramwise_cfg': paramwise,
                'optim_wrapper_cfg': {
                    'type': 'OptimWrapper',
                    'optimizer': {'type': optimizer, 'lr': 0.01, 'weight_decay': 0.1},
                },
            }
        )
        with pytest.raises(ValueError, match='needs SGD and a paramwise_cfg'):
            constructor(Small())


def options_in(file):
    """What the comment of a config says to give as --cfg-options."""
    lines = [line.lstrip('# ') for line in file.read_text().splitlines() if line.startswith('#')]
    words = ' '.join(lines[next(i for i, line in enumerate(lines) if '--cfg-options' in line) :]).split()
    return dict(word.split('=') for word in words if '=' in word and word.split('=')[0].count('.'))


def test_options_that_configs_name():
    config = load_named('bn_adaptsegnet101_gta2cityscapes')  # --network resnet101
    options = options_in(shipped_config('bn_adaptsegnet_gta2cityscapes'))
    assert len(options) == 4
    config.merge_from_dict(options)
    config.model.segmentor.backbone.update(depth=50, base_channels=4, stem_channels=4, init_cfg=None)
    for head, channels in (('decode_head', 128), ('auxiliary_head', 64)):
        config.model.segmentor[head].in_channels = channels
    model = MODELS.build(config.model)
    assert isinstance(model.segmentor.backbone, AdaptSegNetResNet)
    assert len(model.segmentor.decode_head.classifiers) == len(model.segmentor.auxiliary_head.classifiers) == 2
    wrappers = OPTIM_WRAPPER_CONSTRUCTORS.build(
        {'type': config.optim_wrapper.pop('constructor'), 'optim_wrapper_cfg': config.optim_wrapper}
    )(model)
    optimizer = wrappers['segmentor'].optimizer
    assert isinstance(optimizer, RepeatedSGD) and {g['times'] for g in optimizer.param_groups} == {1, 3, 4}


def test_the_recommended_setting_is_one():
    file = shipped_config('sw_adaptsegnet_gta2cityscapes')
    options = options_in(file.parent / '_base_/datasets/gta2cityscapes.py')
    assert options == {'train_dataloader.batch_size': '2', 'model.statistics_from': 'target'}
    config = Config.fromfile(file)
    assert (config.train_dataloader.batch_size, config.model.statistics_from) == (1, 'both')  # the published one
