"""The hook that says when a network sees one class all over the target."""

import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import HistoryBuffer

from sw_mmseg.adaptation import LevelLog, TargetLog
from sw_mmseg.engine import NonFiniteLossError, PredictionHealthHook


def log(classes):
    level = LevelLog(torch.zeros(()), torch.zeros(()))
    return TargetLog({'decode_head': level}, target_classes=torch.tensor(float(classes)))


def run_of(values, iteration=4):
    hub = SimpleNamespace(get_scalar=lambda name: HistoryBuffer(values, [1] * len(values)))
    return SimpleNamespace(iter=iteration - 1, message_hub=hub, logger=logging.getLogger('health'))


@pytest.mark.parametrize('values, collapsed', [([9, 9, 1, 1], True), ([1, 1, 1, 2], True), ([1, 1, 3, 2], False)])
def test_warns_at_one_class_in_the_window(values, collapsed, caplog):
    hook = PredictionHealthHook(window=2, interval=4, patience=1)
    hook.after_train_iter(run_of(values), 0, outputs=log(values[-1]))
    assert ('collapsed to one class' in caplog.text) == collapsed


def test_says_nothing_between_intervals(caplog):
    hook = PredictionHealthHook(window=2, interval=4)
    hook.after_train_iter(run_of([1] * 5, iteration=5), 0, outputs=log(1))
    assert caplog.text == ''


def test_stops_at_nan_and_refuses_less_than_a_class():
    with pytest.raises(NonFiniteLossError, match='loss_ent is nan'):
        PredictionHealthHook().after_train_iter(run_of([float('nan')]), 0, outputs={'loss_ent': float('nan')})
    with pytest.raises(ValueError, match='classes must be at least 1'):
        PredictionHealthHook(classes=0.5)
