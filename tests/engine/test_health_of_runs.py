"""Whole runs, healthy and not, as the hooks see them: a warning where something is to be done, and nowhere else."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from sw_mmseg.adaptation import AdversarialLog, LevelLog, SelfTrainingLog, TargetLog
from sw_mmseg.adaptation.adaptsegnet import AdversarialLevelLog
from sw_mmseg.adaptation.self_training_log import SelfTrainingLevelLog
from sw_mmseg.engine import DiscriminatorHealthHook, PredictionHealthHook, SelfTrainingHealthHook

ZERO = torch.zeros(())


def warned(hook, log, curves, caplog, classes=19):
    """Iterations at which the hook warns in a run with these curves, name -> values; what is not given is 0."""
    length = len(next(iter(curves.values())))
    curves = {name: np.zeros(length) for name in log} | curves
    noise = np.random.default_rng(0).normal(0, 0.002, length)
    dataset = SimpleNamespace(metainfo={'classes': ('x',) * classes})
    warnings = {}
    step = min(hook.interval, max(length // 2, 1))
    for done in range(step, length + 1, step):
        hub = SimpleNamespace(
            get_scalar=lambda name, done=done: HistoryBuffer(
                (curves[name.removeprefix('train/')] + noise)[:done], np.ones(done)
            )
        )
        runner = SimpleNamespace(
            iter=done - 1,
            max_iters=length,
            message_hub=hub,
            logger=logging.getLogger('health'),
            train_dataloader=SimpleNamespace(dataset=dataset),
        )
        caplog.clear()
        hook.after_train_iter(runner, done - 1, outputs=log)
        texts = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        if texts:
            (warnings[done],) = texts
    return warnings


def line(*points):
    """Values at every iteration of a curve through (iteration, value)."""
    times, values = zip(*points)
    return np.interp(np.arange(1, times[-1] + 1), times, values)


def adversarial(accuracy, loss, **hook):
    log = AdversarialLog({'decode_head': AdversarialLevelLog(*[ZERO] * 6)}, target_classes=ZERO)
    curves = {'dis_acc_source': accuracy, 'dis_acc_target': accuracy, 'loss_dis': loss}
    return DiscriminatorHealthHook(**hook), log, curves


SHORT = {'window': 100, 'interval': 100}  # as the configs of streets have it
HEALTHY = {
    'a warm-up at chance, then as AdaptSegNet runs': ([(1, 0.5), (300, 0.5), (900, 0.8), (4000, 0.85)], {}),
    'a short run that is at chance all along': ([(1, 0.5), (400, 0.5)], SHORT),
    'a short run that is sure all along': ([(1, 0.5), (20, 1.0), (400, 1.0)], SHORT),
    'sure of the first networks, not of later ones': ([(1, 0.5), (50, 1.0), (700, 1.0), (900, 0.9), (4000, 0.8)], {}),
    'the domains have come to look alike': ([(1, 0.5), (500, 0.8), (1500, 0.8), (2500, 0.5), (6000, 0.5)], {}),
}


@pytest.mark.parametrize('name', HEALTHY)
def test_nothing_is_said_of_a_healthy_game(name, caplog):
    points, options = HEALTHY[name]
    accuracy = line(*points)
    assert warned(*adversarial(accuracy, 0.693 - (accuracy - 0.5), **options), caplog) == {}


@pytest.mark.parametrize('options', [{}, SHORT])
def test_a_discriminator_that_never_learns(options, caplog):
    """Of 4,200 iterations, after 1,000, 2,000 and 4,000, not at every look."""
    warnings = warned(*adversarial(line((1, 0.5), (4200, 0.5)), line((1, 0.693), (4200, 0.693)), **options), caplog)
    assert list(warnings) == [1000, 2000, 4000]
    assert 'at chance since the training began, 2000 iterations long' in warnings[2000]
    assert 'Raise its learning rate or lower lambda_adv' in warnings[2000] and 'loss 0.69' in warnings[2000]


def test_a_discriminator_that_wins(caplog):
    accuracy = line((1, 0.5), (500, 0.9), (1000, 1.0), (4000, 1.0))
    warnings = warned(*adversarial(accuracy, line((1, 0.693), (1000, 0.01), (4000, 0.001))), caplog)
    assert list(warnings) == [2000, 3000] and 'always right for 1000 iterations' in warnings[2000]
    assert 'Lower its learning rate, raise lambda_adv or use the least-squares loss' in warnings[2000]


def predictions(classes, **hook):
    log = TargetLog({'decode_head': LevelLog(ZERO, ZERO)}, target_classes=ZERO)
    return PredictionHealthHook(**hook), log, {'target_classes': classes}


def test_collapse_of_predictions(caplog):
    """One class at first, as every network from scratch, is nothing; for long, or at the end, it is something."""
    begin = [(1, 3), (50, 1), (250, 1)]
    assert warned(*predictions(line(*begin, (400, 6)), **SHORT), caplog) == {}
    assert warned(*predictions(line(*begin, (400, 6), (5000, 9))), caplog) == {}
    assert list(warned(*predictions(line(*begin, (400, 1)), **SHORT), caplog)) == [400]
    warnings = warned(*predictions(line((1, 5), (1000, 7), (1100, 1), (4000, 1))), caplog)
    assert list(warnings) == [2500, 3500, 4000] and 'for 1000 iterations: they have collapsed' in warnings[2500]
    assert 'load_from' in warnings[2500]


def test_a_set_of_two_classes_shows_one_now_and_then(caplog):
    """Background alone in four batches of five is no collapse; in all of them it is."""
    assert warned(*predictions(line((1, 1.2), (3000, 1.2))), caplog, classes=2) == {}
    assert list(warned(*predictions(line((1, 1.0), (3000, 1.0))), caplog, classes=2)) == [1000, 2000, 3000]


def teacher(share, classes, **hook):
    log = SelfTrainingLog({'decode_head': SelfTrainingLevelLog(*[ZERO] * 4)}, *[ZERO] * 3)
    return SelfTrainingHealthHook(**hook), log, {'pseudo_share': share, 'pseudo_classes': classes}


def test_teachers(caplog):
    many = line((1, 8), (400, 8))
    assert warned(*teacher(line((1, 0), (150, 0), (400, 0.4)), many, **SHORT), caplog) == {}
    texts = warned(*teacher(line((1, 0.0), (400, 0.0)), many, **SHORT), caplog)
    assert list(texts) == [400] and 'sure of nothing, for 400 iterations' in texts[400] and 'Train longer' in texts[400]
    many = line((1, 8), (3000, 8))
    assert warned(*teacher(line((1, 0), (900, 0.5), (3000, 0.97)), many), caplog) == {}
    assert list(warned(*teacher(line((1, 1.0), (3000, 1.0)), many), caplog)) == [1000, 2000]
    assert list(warned(*teacher(line((1, 0.5), (3000, 0.5)), line((1, 1), (3000, 1))), caplog)) == [1000, 2000, 3000]


@pytest.mark.parametrize('length', [100, 300, 750, 999])
def test_a_short_run_hears_of_a_network_that_is_of_no_use(length, caplog):
    """With the windows of a long one: at its end, once; a healthy run of that length hears nothing."""
    assert list(warned(*predictions(line((1, 5), (20, 1), (length, 1))), caplog)) == [length - length % 2]
    many = line((1, 8), (length, 8))
    texts = warned(*teacher(line((1, 0), (length, 0)), many), caplog)
    assert list(texts) == [length - length % 2] and 'sure of nothing' in texts[length - length % 2]
    assert warned(*predictions(line((1, 1), (length // 3, 1), (length, 9))), caplog) == {}
    assert warned(*teacher(line((1, 0), (length // 3, 0), (length, 0.5)), many), caplog) == {}
    assert warned(*adversarial(line((1, 0.5), (length, 0.5)), line((1, 0.693), (length, 0.693))), caplog) == {}


def test_a_trial_of_a_few_iterations_hears_nothing(caplog):
    assert warned(*predictions(line((1, 1), (99, 1))), caplog) == {}


def test_a_resumed_run_judges_the_whole_of_it(caplog):
    """The history is all that hooks know: what lasted before a stop counts."""
    hook, log, curves = adversarial(line((1, 0.5), (1000, 0.5)), line((1, 0.7), (1000, 0.7)))
    assert (
        list(warned(DiscriminatorHealthHook(), log, curves, caplog))
        == [1000]
        == [step for step in warned(hook, log, curves, caplog) if step > 500]
    )
    with pytest.raises(ValueError, match='patience'):
        DiscriminatorHealthHook(patience=0)
