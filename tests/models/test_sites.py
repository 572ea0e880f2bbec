"""Placement by option: which convolutions of which backbone, and that nothing else about the backbone changes."""

import subprocess
import sys

import mmpretrain.models  # noqa: F401 -- registers its scope
import mmseg.models  # noqa: F401
import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.whitening import SwitchWhiten2d, convolution_sites

# {1, 3, 6, ..., 39} of Appendix B, written out: blocks of layer1 to layer3 in ResNet-50 are 3, 4, 6
THIRD_50 = [
    'conv1',
    'layer1.0.conv2',
    'layer1.1.conv2',
    'layer1.2.conv2',
    'layer2.0.conv2',
    'layer2.1.conv2',
    'layer2.2.conv2',
    'layer2.3.conv2',
    'layer3.0.conv2',
    'layer3.1.conv2',
    'layer3.2.conv2',
    'layer3.3.conv2',
    'layer3.4.conv2',
    'layer3.5.conv2',
]
# {1, 6, 12, ..., 36}: every second block
SIXTH_50 = [
    'conv1',
    'layer1.1.conv2',
    'layer2.0.conv2',
    'layer2.2.conv2',
    'layer3.0.conv2',
    'layer3.2.conv2',
    'layer3.4.conv2',
]
# ResNet-101 has 3, 4, 23 blocks before the last stage
THIRD_101 = THIRD_50[:8] + [f'layer3.{block}.conv2' for block in range(23)]
SIXTH_101 = SIXTH_50[:4] + [f'layer3.{block}.conv2' for block in range(0, 23, 2)]
SW = {'type': 'SW'}


def build(of='ResNet', scope='mmseg', depth=50, **options):
    config = {'type': 'SwitchSites', 'of': of, 'depth': depth, 'base_channels': 16, 'stem_channels': 16, **options}
    with DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(config)


def placed(model):
    """Convolutions, in order, whose following norm switches."""
    return [site.conv_name for site in convolution_sites(model) if isinstance(site.norm, SwitchWhiten2d)]


@pytest.mark.parametrize(
    'depth, every, expected', [(50, 3, THIRD_50), (50, 6, SIXTH_50), (101, 3, THIRD_101), (101, 6, SIXTH_101)]
)
def test_convolutions_of_the_paper(depth, every, expected):
    model = build(depth=depth, site_norm_cfg=SW, every=every)
    assert (
        placed(model) == expected
        and len(expected) == {(50, 3): 14, (50, 6): 7, (101, 3): 31, (101, 6): 16}[depth, every]
    )
    assert sum(isinstance(module, SwitchWhiten2d) for module in model.modules()) == len(expected)
    assert [type(norm).__name__ for norm in model.layer4.modules() if 'Norm' in type(norm).__name__] == (
        ['BatchNorm2d'] * 10
    )  # three blocks of three, and a shortcut


@pytest.mark.parametrize('scope', ['mmseg', 'mmpretrain'])
def test_every_scope_gets_the_same(scope):
    model = build(scope=scope, site_norm_cfg=SW)
    assert type(model).__module__ == f'{scope}.models.backbones.resnet' and placed(model) == THIRD_50
    assert placed(build('mmpretrain.ResNet', site_norm_cfg=SW)) == THIRD_50


# mmdet imports mmcv's compiled operators, of which placement needs none: a stand-in lets it import without them
IN_MMDET = """
import sys, types
class Extension(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return lambda *args: None
sys.modules['mmcv._ext'] = Extension('mmcv._ext')
import mmdet.models
from mmengine.registry import DefaultScope
import sw_mmseg.plugin
from sw_mmseg.whitening import SwitchWhiten2d, convolution_sites
with DefaultScope.overwrite_default_scope('mmdet'):
    from mmdet.registry import MODELS
    model = MODELS.build(dict(type='SwitchSites', of='ResNet', depth=50, site_norm_cfg=dict(type='SW'), every=6,
                              norm_cfg=dict(type='BN', requires_grad=True), norm_eval=False, frozen_stages=1))
print(type(model).__module__)
print(*(s.conv_name for s in convolution_sites(model) if isinstance(s.norm, SwitchWhiten2d)))
print(model.bn1.training, model.bn1.mean_logits.requires_grad, model.layer2[0].bn2.mean_logits.requires_grad)
"""


@pytest.mark.slow
def test_mmdets_resnet():
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', IN_MMDET], capture_output=True, text=True)
    assert done.stdout.splitlines()[-3:] == ['mmdet.models.backbones.resnet', ' '.join(SIXTH_50), 'False False True'], (
        done.stderr
    )


def test_a_deep_stem_counts_as_one_or_literally():
    assert placed(build('ResNetV1c', site_norm_cfg=SW, stem=3, stem_channels=32)) == ['stem.6', *THIRD_50[1:]]
    literal = placed(build('ResNetV1c', site_norm_cfg=SW, stem_channels=32))
    assert len(literal) == 15 and literal[:3] == ['stem.0', 'stem.6', 'layer1.0.conv3']
    assert placed(build('ResNetV1d', site_norm_cfg=SW, stem=3, stem_channels=32)) == ['stem.6', *THIRD_50[1:]]
    with pytest.raises(ValueError, match='stem=0'):
        build(site_norm_cfg=SW, stem=0)


def test_cifars_resnet_takes_every_fourth():
    model = build(
        'mmpretrain.ResNet_CIFAR',
        depth=18,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
        site_norm_cfg=SW,
        every=4,
    )
    assert [site.index for site in convolution_sites(model) if isinstance(site.norm, SwitchWhiten2d)] == [1, 4, 8, 12]


def test_the_plain_backbones_class_and_keys():
    plain, ours = build(), build(site_norm_cfg=SW)
    assert type(ours) is type(plain) and not any(isinstance(m, SwitchWhiten2d) for m in plain.modules())
    entries = {'running_var', 'running_cov', 'mean_logits', 'cov_logits'}
    keys = [{key for key in model.state_dict() if key.rpartition('.')[2] not in entries} for model in (plain, ours)]
    assert keys[0] == keys[1] and keys[0]
    result = ours.load_state_dict(plain.state_dict(), strict=True)
    assert not result.missing_keys and not result.unexpected_keys
    assert ours(torch.randn(2, 3, 64, 64))[-1].shape == (2, 512, 2, 2)


def test_frozen_stages_norm_eval_and_initialisation():
    model = build(site_norm_cfg=SW, frozen_stages=2, zero_init_residual=True)
    model.init_weights()
    model.train()
    frozen = {
        site.conv_name
        for site in convolution_sites(model)
        if isinstance(site.norm, SwitchWhiten2d)
        and not site.norm.training
        and not any(p.requires_grad for p in site.norm.parameters())
    }
    assert frozen == set(THIRD_50[:8])
    trained = model.get_submodule('layer3.1.bn2')
    assert trained.training and all(p.requires_grad for p in trained.parameters())
    assert (model.layer3[0].bn3.weight == 0).all() and (trained.weight == 1).all()  # as in the plain ResNet

    model = build(site_norm_cfg=SW, norm_eval=True)
    model.train()
    assert not any(m.training for m in model.modules() if isinstance(m, SwitchWhiten2d)) and model.conv1.training


def test_what_does_not_exist_is_refused():
    with pytest.raises(TypeError, match='evry'):
        build(site_norm_cfg=SW, evry=3)
    with pytest.raises(ValueError, match='no convolution chosen'):
        build(site_norm_cfg=SW, every=60, exclude=('conv1', 'layer4'))


def test_norms_by_name():
    names = ['bn1', 'layer2.1.bn2', 'layer1.0.downsample.1']
    model = build(site_norm_cfg=SW, at=names, frozen_stages=1)
    sites = {name: norm for name, norm in model.named_modules() if isinstance(norm, SwitchWhiten2d)}
    assert sites.keys() == set(names)
    frozen = {name for name, norm in sites.items() if not any(p.requires_grad for p in norm.parameters())}
    assert frozen == {'bn1', 'layer1.0.downsample.1'}
    assert not any(isinstance(m, SwitchWhiten2d) for m in build(at=names).modules())  # no norm asked for
    for wrong in (['bn1', 'layer9.bn1'], ['conv1'], []):
        with pytest.raises(ValueError, match='names no norm of ResNet'):
            build(site_norm_cfg=SW, at=wrong)


def test_res2net_of_openmmlab():
    """Its 3x3 convolutions are in one list, their norms in another; it registers both behind the last of the block."""
    network = MODELS.build(
        dict(
            type='SwitchSites',
            of='mmpretrain.Res2Net',
            depth=50,
            scales=4,
            base_width=24,
            deep_stem=False,
            site_norm_cfg=dict(type='SW'),
        )
    )
    sites = [site for site in convolution_sites(network) if isinstance(site.norm, SwitchWhiten2d)]
    assert [(site.conv_name, site.norm_name) for site in sites[:4]] == [
        ('conv1', 'bn1'),
        ('layer1.0.conv3', 'layer1.0.bn3'),
        ('layer1.0.convs.2', 'layer1.0.bns.2'),
        ('layer1.1.convs.0', 'layer1.1.bns.0'),
    ]  # 1, 3, 6, 9 of a stem and five a block
