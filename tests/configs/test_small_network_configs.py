"""Every config of the small network on photographs: built and trained a step on CPU, its sites where it says.

Shrinking changes pretrained weights and data only.
"""

import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn

from sw_mmseg.engine.optimizers import check_coverage
from sw_mmseg.running.norms import norm_of
from sw_mmseg.whitening import SwitchWhiten2d
from tests.helpers.config_runs import OMEGA, load, names_of, one_iteration, reloaded, segmentor_of, train

NAMES = names_of('configs/test_small_network_configs.py')
SITES = 15  # the stem, two norms of the first stage, six of each of the next two
LOSSES = {'adaptsegnet': {'loss_seg', 'loss_adv', 'loss_dis'}, 'dacs': {'loss_seg', 'loss_mix'}, 'cbst': {'loss_seg'}}


def shrink(config, work_dir):
    segmentor_of(config).backbone.init_cfg = None
    if 'discriminator' in config.model:
        config.model.discriminator.width = 4
    paired = 'target' in str(config.train_dataloader.dataset)
    for name in ('val', 'test'):
        for part in ('dataloader', 'evaluator', 'cfg'):
            config.pop(f'{name}_{part}', None)
    config.train_dataloader = {
        'batch_size': 2, 'num_workers': 0,
        'dataset': {'type': 'RandomPictures', 'paired': paired, 'target': (64, 64)},
        'sampler': {'type': 'InfiniteSampler', 'shuffle': False}, 'collate_fn': {'type': 'pseudo_collate'}}
    for hook in config.custom_hooks:
        if 'window' in hook:
            hook['window'] = 1
    config.custom_hooks = [hook for hook in config.custom_hooks if hook.type != 'PseudoLabelRoundsHook']
    return one_iteration(config, work_dir)


def check_sites(config, norm):
    segmentor_of(config).backbone.init_cfg = None
    init_default_scope('mmseg')
    with torch.device('meta'):
        backbone = MODELS.build(segmentor_of(config).backbone)
    switching = [layer for layer in backbone.modules() if isinstance(layer, SwitchWhiten2d)]
    assert [layer.statistics for layer in switching] == ([] if norm == 'bn' else [OMEGA[norm]] * SITES)
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in backbone.modules())


@pytest.mark.parametrize('name', NAMES)
def test_one_step(name, tmp_path):
    assert norm_of(load(name)) == 'bn'
    check_sites(load(name), 'bn')
    runner, _, losses, changed = train(shrink(load(name), tmp_path / name))
    assert LOSSES.get(name.split('_')[1], set()) <= set(losses)
    wrapper = runner.optim_wrapper
    check_coverage(runner.model, dict(wrapper.items()) if 'segmentor' in load(name).model else {'all': wrapper})
    assert any('backbone.conv_stem' in key or 'backbone.blocks' in key for key in changed)
    assert any('decode_head' in key for key in changed)


@pytest.mark.parametrize('norm', OMEGA)
def test_every_norm_can_stand_there(norm, tmp_path):
    for name in NAMES:
        config = load(name, norm)
        assert norm_of(config) == norm
        check_sites(config, norm)
    check_sites(reloaded(load('bn_cbst_streets2camvid', norm), tmp_path), norm)
