"""A key that nothing reads is refused; every key that something reads is taken."""

import inspect

import pytest
from mmengine.config import Config

from sw_mmseg.running.configs import load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.paths import CONFIGS
from sw_mmseg.running.unknown_keys import refuse_unknown_keys
from tests.helpers.slow_cases import one_in

SHIPPED = sorted(path.stem for path in CONFIGS.glob('*.py'))


@pytest.mark.parametrize('name', one_in(2, SHIPPED))
def test_shipped_configs_are_taken(name):
    refuse_unknown_keys(load_config(str(CONFIGS / f'{name}.py'), {}))


@pytest.mark.parametrize(
    'key, near',
    [
        ('default_hooks.checkpoint.intervall', 'interval'),
        ('default_hooks.checkpoint.max_keep_ckpt', 'max_keep_ckpts'),
        ('optim_wrapper.segmentor.paramwise_cfg.custom_kys', 'custom_keys'),
        ('optim_wrapper.segmentor.paramwise_cfg.custom_keys.classifier.lr_mul', 'lr_mult'),
        ('optim_wrapper.segmentor.clip_grad.max_nrom', 'max_norm'),
        ('env_cfg.cudnn_benchmrk', 'cudnn_benchmark'),
        ('model.segmentor.test_cfg.mod', 'mode'),
        ('auto_scale_lr.enabel', 'enable'),
    ],
)
def test_the_nearest_word_is_told(key, near):
    config = load_config(str(CONFIGS / 'sw_adaptsegnet_gta2cityscapes.py'), {})
    config.merge_from_dict({key: 1})
    with pytest.raises(UserError) as error:
        refuse_unknown_keys(config)
    assert str(error.value).startswith(f'the config does not build: {key}: ')
    assert f'did you mean {near}' in str(error.value)


def config_of(**parts):
    return Config(dict(default_scope=parts.pop('scope', 'mmseg'), **parts))


@pytest.mark.parametrize(
    'hook',
    [
        dict(type='CheckpointHook', interval=5, by_epoch=False, max_keep_ckpts=1, save_best='mIoU', priority='LOW'),
        dict(type='EMAHook', momentum=1e-3, update_buffers=True),
        dict(type='mmengine.EMAHook', begin_iter=3, gamma=10),
        dict(type='mmpretrain.VisualizationHook', interval=5, rescale_factor=2.0),
        dict(type='LoggerHook', out_suffix='.log'),
        dict(type='ParamSchedulerHook'),
    ],
)
def test_what_hooks_take_or_hand_on_is_taken(hook):
    refuse_unknown_keys(config_of(custom_hooks=[hook]))


@pytest.mark.parametrize(
    'hook, word',
    [
        (dict(type='EMAHook', momentun=1e-3), 'momentum'),
        (dict(type='CheckpointHook', intervall=5), 'interval'),
        (dict(type='mmpretrain.VisualizationHook', intervall=5), 'interval'),
    ],
)
def test_typos_in_hooks_are_refused(hook, word):
    with pytest.raises(UserError, match=f'custom_hooks.1.*did you mean {word}'):
        refuse_unknown_keys(config_of(custom_hooks=[dict(type='IterTimerHook'), hook]))


def test_coders_and_samplers_of_detectors():
    model = dict(
        type='MaskRCNN',
        coder=dict(type='DeltaXYWHBBoxCoder', target_stds=[1, 1, 1, 1]),
        train_cfg=dict(sampler=dict(type='RandomSampler', num=1, pos_fraction=0.5, neg_pos_ub=3)),
    )
    refuse_unknown_keys(config_of(scope='mmdet', model=model))
    model['train_cfg']['sampler']['pos_fracton'] = 0.1
    with pytest.raises(UserError, match=r'model.train_cfg.sampler.pos_fracton.*did you mean pos_fraction'):
        refuse_unknown_keys(config_of(scope='mmdet', model=model))


def test_a_hook_of_the_users_own_takes_what_its_author_wants():
    from mmengine.hooks import Hook
    from mmengine.registry import HOOKS

    @HOOKS.register_module()
    class TakesAnything(Hook):
        def __init__(self, **kwargs):
            self.words = kwargs

    try:
        refuse_unknown_keys(config_of(custom_hooks=[dict(type='TakesAnything', anything=1)]))
    finally:
        HOOKS.module_dict.pop('TakesAnything')


def test_every_part_here_that_swallows_words_is_looked_at():
    """Of all hooks of mmengine and this package, no other takes any word: a new one would have to be looked at."""
    import mmseg.engine  # noqa: F401
    from mmengine.registry import HOOKS

    import sw_mmseg.engine  # noqa: F401

    kinds = [*HOOKS.module_dict.values(), *(k for child in HOOKS.children.values() for k in child.module_dict.values())]
    swallowing = {
        kind.__name__
        for kind in kinds
        if '__init__' in vars(kind)
        and kind.__module__.startswith('mm')
        and any(p.kind is p.VAR_KEYWORD for p in inspect.signature(kind.__init__).parameters.values())
    }
    assert {'CheckpointHook', 'EMAHook'} <= swallowing <= {'CheckpointHook', 'EMAHook', 'VisualizationHook'}
