"""What the hooks see, say and draw, on a hand-made run."""

import logging
from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.structures import PixelData
from mmseg.registry import MODELS

from sw_mmseg.adaptation import AdversarialLog, SelfTrainingLog, StepLog
from sw_mmseg.adaptation.adaptsegnet import AdversarialLevelLog
from sw_mmseg.adaptation.self_training_log import SelfTrainingLevelLog
from sw_mmseg.engine import (
    DiscriminatorHealthHook,
    HealthHook,
    ImportanceRatioHook,
    NonFiniteLossError,
    PredictionHealthHook,
    SamplePicturesHook,
    SelfTrainingHealthHook,
    importance_ratios,
)
from sw_mmseg.engine.pictures import colored, predicted
from tests.helpers.tiny_networks import tiny_config, two_domain_batch

PALETTE = [[10, 0, 0], [20, 0, 0], [30, 0, 0], [40, 0, 0], [50, 0, 0]]


class Visualizer:
    dataset_meta = {'palette': PALETTE}

    def __init__(self):
        self.scalars, self.images = [], {}

    def add_scalars(self, scalars, step):
        self.scalars.append((step, scalars))

    def add_image(self, name, image, step):
        self.images[name, step] = image


class Hub:
    """The part of mmengine's message hub that keeps the log's history."""

    def __init__(self, histories):
        self.histories = histories

    def get_scalar(self, name):
        values = self.histories[name.removeprefix('train/')]
        return HistoryBuffer(values, [1] * len(values))


def run_of(iteration, histories=None, model=None):
    return SimpleNamespace(
        iter=iteration - 1,
        message_hub=Hub(histories or {}),
        visualizer=Visualizer(),
        model=model,
        logger=logging.getLogger('health'),
    )


def latest(log, histories):
    """A method's log after the last iteration of these histories."""
    return log.with_values(lambda name: histories[name][-1])


def blank(log_type, level_type, heads=('decode_head',)):
    """A log of a type, with a value in every field."""

    def fill(part, **given):
        return part(**{field.name: torch.zeros(()) for field in fields(part) if field.name not in given}, **given)

    return fill(log_type, levels={head: fill(level_type) for head in heads})


def adversarial(histories):
    """Two levels, of which these histories are the main one's; the auxiliary one is healthy."""
    log = blank(AdversarialLog, AdversarialLevelLog, ('decode_head', 'auxiliary_head'))
    healthy = {'dis_acc_source': [0.8] * 4, 'dis_acc_target': [0.7] * 4}
    histories = (
        {name: [0.0] * 4 for name in log} | {f'auxiliary_head.{name}': v for name, v in healthy.items()} | histories
    )
    return latest(log, histories), histories


def judged(caplog, source, target):
    log, histories = adversarial(
        {'dis_acc_source': source, 'dis_acc_target': target, 'loss_dis': [0.4] * 4, 'loss_adv': [0.9] * 4}
    )
    caplog.clear()
    with caplog.at_level(logging.INFO):
        hook = DiscriminatorHealthHook(window=2, interval=4, patience=1)
        hook.after_train_iter(run_of(4, histories), 3, outputs=log)
    other = caplog.records.pop()
    assert other.getMessage().startswith('auxiliary_head.discriminator: accuracy 0.800 on source, 0.700 on target')
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_health_judges_the_mean_of_the_window(caplog):
    ((level, text),) = judged(caplog, [1, 1, 0.8, 0.7], [0, 0, 0.6, 0.7])  # the last two: 0.75 and 0.65
    assert level == 'INFO' and 'accuracy 0.750 on source, 0.650 on target, loss 0.400' in text
    ((level, text),) = judged(caplog, [0, 0, 1, 1], [1, 1, 0, 0])  # always says source: right half of the time
    assert level == 'WARNING' and 'at chance' in text
    ((level, text),) = judged(caplog, [0, 0, 1, 1], [0, 0, 1, 0.99])
    assert level == 'WARNING' and 'always right' in text


def test_health_waits_for_its_interval(caplog):
    hook = DiscriminatorHealthHook(window=2, interval=4)
    with caplog.at_level(logging.INFO):
        log, histories = adversarial({})
        hook.after_train_iter(run_of(3, histories), 2, outputs=log)
    assert not caplog.records
    with pytest.raises(ValueError, match='chance in'):
        DiscriminatorHealthHook(chance=0.7)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_health_stops_at_what_is_no_number(value):
    with pytest.raises(NonFiniteLossError, match=r'loss_seg is (nan|inf) at iteration 3.*learning rate.*clip_grad'):
        HealthHook().after_train_iter(
            run_of(3, {'loss_adv': [1.0], 'loss_seg': [1.0, value]}), 2, outputs={'loss_adv': 0, 'loss_seg': 0}
        )


@pytest.mark.parametrize(
    'share, classes, level, text',
    [
        (0.4, 7.0, logging.INFO, 'pseudo-labels: 0.400 of the pixels confident, 7.0 classes a batch'),
        (0.4, 1.2, logging.WARNING, 'collapsed to one class. Lengthen warmup'),
        (0.005, 7.0, logging.WARNING, 'sure of nothing'),
        (0.995, 7.0, logging.WARNING, 'sure of everything'),
    ],
)
def test_health_of_pseudo_labels(caplog, share, classes, level, text):
    histories = {'pseudo_share': [0.9, share], 'pseudo_classes': [19.0, classes], 'loss_mix': [1.0, 1.0]}
    log = blank(SelfTrainingLog, SelfTrainingLevelLog)
    histories = {name: [0.0, 0.0] for name in log} | histories
    with caplog.at_level(logging.INFO):
        SelfTrainingHealthHook(window=1, interval=2, patience=1).after_train_iter(
            run_of(4, histories), 3, outputs=latest(log, histories)
        )
    (record,) = caplog.records
    assert record.levelno == level and text in record.getMessage()


@pytest.mark.parametrize('hook', [DiscriminatorHealthHook, PredictionHealthHook, SelfTrainingHealthHook])
@pytest.mark.parametrize('outputs', [{'loss_seg': 1.0}, StepLog({}), None], ids=['plain', 'other', 'nothing'])
def test_a_log_without_what_the_hook_reads_is_an_error(hook, outputs):
    """At the first iteration, long before a judgement is due."""
    with pytest.raises(TypeError, match=f'{hook.__name__} reads a .*Log.*HealthHook'):
        hook().after_train_iter(run_of(1, {'loss_seg': [1.0]}), 0, outputs=outputs)
    HealthHook().after_train_iter(run_of(500, {'loss_seg': [1.0]}), 0, outputs=outputs)


def test_ratios_of_every_switch():
    model = MODELS.build(tiny_config(norm='sw'))
    norm = model.segmentor.backbone.norm
    with torch.no_grad():
        norm.mean_logits.copy_(torch.tensor([np.log(3.0), 0.0]))
    runner = run_of(20, model=model)
    ImportanceRatioHook(interval=20).after_train_iter(runner, 19)
    ((step, scalars),) = runner.visualizer.scalars
    prefix = 'ratios/segmentor.backbone.norm'
    assert step == 20 and scalars == pytest.approx(
        {f'{prefix}/mean/bw': 0.75, f'{prefix}/mean/iw': 0.25, f'{prefix}/cov/bw': 0.5, f'{prefix}/cov/iw': 0.5}
    )
    ImportanceRatioHook(interval=20).after_train_iter(run_of(19, model=model), 18)
    assert importance_ratios(MODELS.build(tiny_config())) == {}


def test_ratios_are_the_students_and_not_its_copies():
    names = {'weight': 0.1, 'classes': (1,)}
    student, learner = (
        MODELS.build(tiny_config(method, norm='sw', **options))
        for method, options in (('AdaptSegNet', {}), ('SelfTraining', {'feature_distance': names}))
    )
    assert importance_ratios(learner).keys() == importance_ratios(student).keys() != set()


def test_pictures_of_both_domains():
    torch.manual_seed(0)
    model = MODELS.build(tiny_config()).train()
    batch = two_domain_batch()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    runner = run_of(10, model=model)
    SamplePicturesHook(interval=10).after_train_iter(runner, 9, data_batch=batch)

    assert set(runner.visualizer.images) == {('sample_source', 10), ('sample_target', 10)}
    picture, image = runner.visualizer.images['sample_source', 10], batch['source']['inputs'][0]
    assert picture.shape == (64, 3 * 32, 3) and picture.dtype == np.uint8
    assert (picture[:, :32] == image.flip(0).permute(1, 2, 0).numpy()).all()  # BGR to RGB
    labels = batch['source']['data_samples'][0].gt_sem_seg.data[0].numpy()
    red = np.where(labels == 255, 0, 10 * (labels % 255 + 1))
    assert (picture[:, 32:64, 0] == red).all() and not picture[:, 32:64, 1:].any()
    assert runner.visualizer.images['sample_target', 10].shape == (32, 2 * 48, 3)  # no truth

    expected = model.eval().test_step({'inputs': [image], 'data_samples': [batch['source']['data_samples'][0]]})
    classes = expected[0].pred_sem_seg.data[0].numpy()
    assert (picture[:, 64:, 0] == 10 * (classes + 1)).all()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_pictures_restore_modes_and_need_colours():
    model = MODELS.build(tiny_config()).train()
    model.segmentor.backbone.norm.eval()
    predicted(model, torch.zeros(3, 32, 32, dtype=torch.uint8))
    assert model.training and model.segmentor.training and not model.segmentor.backbone.norm.training
    runner = run_of(1, model=model)
    runner.visualizer.dataset_meta = None
    with pytest.raises(ValueError, match='palette'):
        SamplePicturesHook(1).after_train_iter(runner, 0, data_batch=two_domain_batch())
    runner.visualizer.dataset_meta = {'palette': PALETTE}
    SamplePicturesHook(1).after_train_iter(runner, 0, data_batch=two_domain_batch()['source'])
    assert set(runner.visualizer.images) == {('sample_train', 1)}


def test_padded_labels_are_cropped_to_the_image():
    model, batch = MODELS.build(tiny_config()), two_domain_batch()['source']
    batch['data_samples'][0].gt_sem_seg = PixelData(data=torch.full((1, 80, 40), 1))
    assert SamplePicturesHook().picture(model, batch, PALETTE).shape == (64, 96, 3)
    assert (colored(np.array([[0, 255]]), PALETTE) == [[[10, 0, 0], [0, 0, 0]]]).all()
