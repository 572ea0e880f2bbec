"""Every trainable parameter in exactly one optimiser, with the settings of its section."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmseg.registry import MODELS

from sw_mmseg.engine import DomainOptimWrapperConstructor, DomainOptimWrappers
from tests.helpers.tiny_networks import tiny_config


def sections(**kwargs):
    return {
        'constructor': 'DomainOptimWrapperConstructor',
        'segmentor': {'optimizer': {'type': 'SGD', 'lr': 0.1, 'weight_decay': 0.01}},
        'discriminator': {'optimizer': {'type': 'Adam', 'lr': 0.2, 'betas': (0.9, 0.99)}},
        **kwargs,
    }


@pytest.fixture
def model():
    return MODELS.build(tiny_config(norm='sw'))


def ids(wrapper):
    return {id(p) for group in wrapper.optimizer.param_groups for p in group['params']}


def test_disjoint_and_complete(model):
    wrappers = build_optim_wrapper(model, sections())
    assert isinstance(wrappers, DomainOptimWrappers) and list(wrappers.keys()) == ['segmentor', 'discriminator']
    assert isinstance(wrappers['segmentor'].optimizer, torch.optim.SGD)
    assert isinstance(wrappers['discriminator'].optimizer, torch.optim.Adam)
    assert ids(wrappers['segmentor']) == {id(p) for p in model.segmentor.parameters()}
    assert ids(wrappers['discriminator']) == {id(p) for p in model.discriminator.parameters()}


def test_switches_have_a_learning_rate_of_their_own(model):
    config = sections()
    config['segmentor']['paramwise_cfg'] = {
        'custom_keys': {
            'mean_logits': {'lr_mult': 100.0, 'decay_mult': 0.0},
            'cov_logits': {'lr_mult': 100.0, 'decay_mult': 0.0},
        }
    }
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = build_optim_wrapper(model, config)['segmentor'].optimizer.param_groups
    settings = {names[id(group['params'][0])]: (group['lr'], group['weight_decay']) for group in groups}
    assert settings.pop('segmentor.backbone.norm.mean_logits') == (10.0, 0.0)
    assert settings.pop('segmentor.backbone.norm.cov_logits') == (10.0, 0.0)
    assert set(settings.values()) == {(0.1, 0.01)} and len(settings) > 10


def test_shared_settings_reach_every_section(model):
    """One type, one clipping, one accumulation beside the sections."""

    @OPTIM_WRAPPERS.register_module(force=True)
    class Recording(OPTIM_WRAPPERS.get('OptimWrapper')):
        pass

    wrappers = build_optim_wrapper(
        model, sections(type='Recording', clip_grad={'type': 'value', 'clip_value': 1.0}, accumulative_counts=3)
    )
    for wrapper in wrappers.values():
        assert isinstance(wrapper, Recording) and wrapper.grad_name == 'grad_value'
        assert wrapper._accumulative_counts == 3 and wrapper.clip_grad_kwargs == {'clip_value': 1.0}
    wrappers.initialize_count_status(model, 5, 10)
    assert [wrapper.inner_count for wrapper in wrappers.values()] == [5, 5]


def test_parameters_left_out_or_taken_twice(model):
    config = sections()
    del config['discriminator']
    with pytest.raises(ValueError, match=r'is in no optimiser: discriminator\.levels\.decode_head\S+.*\(20 in all\)'):
        build_optim_wrapper(model, config)
    for parameter in model.discriminator.parameters():
        parameter.requires_grad = False
    assert list(build_optim_wrapper(model, config).keys()) == ['segmentor']

    model.discriminator.stolen = model.segmentor.backbone.conv1
    with pytest.raises(ValueError, match='has several: segmentor.backbone.conv1.weight'):
        build_optim_wrapper(model, sections())


def test_misnamed_sections_and_misplaced_settings(model):
    config = sections()
    config['generator'] = config.pop('segmentor')
    with pytest.raises(ValueError, match=r"\['generator'\] are not parts of AdaptSegNet"):
        build_optim_wrapper(model, config)
    with pytest.raises(ValueError, match='no section with an optimizer'):
        DomainOptimWrapperConstructor({'type': 'OptimWrapper'})
    with pytest.raises(ValueError, match='segmentor.paramwise_cfg'):
        build_optim_wrapper(model, sections(paramwise_cfg={'norm_decay_mult': 0}))
    with pytest.raises(TypeError, match='clip_gard'):
        build_optim_wrapper(model, sections(clip_gard={'max_norm': 1}))
