"""Switches kept at uniform, or at the common rate, by the option that the streets schedule names."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from sw_mmseg.running.norms import set_norm

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.mark.parametrize('rate', [0.0, 1.0, 100.0])
def test_switches_learn_as_fast_as_they_are_told(rate, make_model, make_batch):
    config = set_norm(Config.fromfile(CONFIGS / 'bn_minent_streets.py'), 'sw')
    keys = 'optim_wrapper.segmentor.paramwise_cfg.custom_keys'
    config.merge_from_dict({f'{keys}.{kind}_logits.lr_mult': rate for kind in ('mean', 'cov')})
    model = make_model('EntropyMinimization', norm='sw')
    norm = model.segmentor.backbone.norm
    for logits in (norm.mean_logits, norm.cov_logits):
        logits.data.zero_()
    wrappers = build_optim_wrapper(model, config.optim_wrapper)
    before = {name: value.detach().clone() for name, value in model.segmentor.named_parameters()}
    groups = {group['lr'] for group in wrappers['segmentor'].optimizer.param_groups}
    assert groups == {0.03, 0.03 * rate}
    for _ in range(2):
        model.train_step(make_batch(), wrappers)
    moved = {name for name, value in model.segmentor.named_parameters() if not torch.equal(value, before[name])}
    assert ({'backbone.norm.mean_logits', 'backbone.norm.cov_logits'} <= moved) == (rate > 0)
    assert {'backbone.conv1.weight', 'backbone.norm.weight'} <= moved
    if not rate:
        for ratios in (norm.mean_ratios(), norm.cov_ratios()):
            assert [float(value) for value in ratios.values()] == [0.5, 0.5]
