"""Options with which a training goes on from another, as torch's schedulers follow them."""

import pytest
import torch
from mmengine.config import Config
from mmengine.optim.scheduler import CosineRestartLR, LinearLR

from sw_mmseg.running.paths import shipped_config
from sw_mmseg.running.schedules import continued_options

SCHEDULERS = {'LinearLR': LinearLR, 'CosineRestartLR': CosineRestartLR}


@pytest.mark.parametrize(('name', 'rounds'), [('bn_cbst_streets2cameras', 2), ('bn_adaptsegnet_streets2cameras', 1)])
def test_a_training_that_goes_on_has_half_the_rate_and_a_cycle_a_round(name, rounds):
    config = Config.fromfile(shipped_config(name))
    before = config.optim_wrapper.segmentor.optimizer.lr
    config.merge_from_dict(continued_options(config, 'start.pth', 40))
    assert config.load_from == 'start.pth' and config.train_cfg.max_iters == 40
    peak = config.optim_wrapper.segmentor.optimizer.lr
    assert peak == before / 2
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    schedules = [dict(schedule) for schedule in config.param_scheduler.segmentor]
    schedulers = [SCHEDULERS[schedule.pop('type')](optimizer, **schedule) for schedule in schedules]
    rates = []
    for _ in range(40):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    length = 40 // rounds
    assert max(rates) == pytest.approx(peak)
    assert rates[0] == pytest.approx(0.05 * peak)
    for number in range(rounds):
        assert rates[(number + 1) * length - 1] < 0.02 * peak  # each cycle ends near nothing
        assert max(rates[number * length : (number + 1) * length]) == pytest.approx(peak)
    if rounds > 1:
        assert config.model.warmup == 0 and config.model.round_length == length
