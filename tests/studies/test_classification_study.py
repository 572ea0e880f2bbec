"""The classification study: its tables from results written by hand, and two tiny runs from start to report."""

import csv
import json
from importlib import import_module
from pathlib import Path

import pytest

from sw_mmseg.datasets.streets import generate_streets
from sw_mmseg.running.command_line import run_tool

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = ('train_dataloader.dataset.dataset', 'val_dataloader.dataset', 'test_dataloader.dataset')
TINY = [
    'train_cfg.max_iters=4',
    'train_cfg.val_interval=2',
    'default_hooks.logger.interval=1',
    'default_hooks.checkpoint.interval=2',
    'custom_hooks.0.interval=2',
    'train_dataloader.batch_size=4',
    'model.backbone.depth=8',
]


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Options that point the configs to ten and ten tiny pictures of streets."""
    folder = tmp_path_factory.mktemp('streets')
    streets = generate_streets(folder, size=(96, 48), source=10, target_train=10, target_val=1)
    return [f'{part}.{option}' for part in PARTS for option in (f'data_root={streets}', 'smallest=4')]


@pytest.fixture
def study(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    return import_module('sw_mmseg.commands.analysis.classification_study')


def by_hand(report, norm, seed, error, network='resnet20', shifted=None):
    changed = {'contrast': [error + 1, error + 2, error + 3], 'noise': [error, error, error + 6]}
    return report.Result(network, norm, seed, error, shifted, changed, 60.0, f'train seed {seed}', 'folder')


def test_tables_are_means_and_deviations():
    report = import_module('sw_mmseg.studies.classification.report')
    results = [by_hand(report, 'bn', seed, error) for seed, error in ((0, 8.0), (1, 10.0))]
    results.append(by_hand(report, 'swb', 0, 7.0))
    made = report.tables(results, 'cifar10')
    assert made['errors'].headings == ('network', 'norm', 'seeds', 'error', 'paper', 'seconds a run')
    assert made['errors'].rows[0] == ('resnet20', 'BN', 2, '9.00 ± 1.41', 8.45, 60)
    assert made['errors'].rows[1] == ('resnet20', 'SWb', 1, 7.0, 7.75, 60)
    assert made['robustness'].headings == ('network', 'norm', 'clean', 'contrast and light', 'contrast', 'noise')
    assert made['robustness'].rows[0][2:] == ('9.00 ± 1.41', '11.00 ± 1.41', '11.00 ± 1.41', '11.00 ± 1.41')
    assert made['robustness'].rows[1][2:] == (7.0, 9.0, 9.0, 9.0)
    shifted = report.tables([by_hand(report, 'bn', 0, 8.0, shifted=30.0)], 'streetcrops')['errors']
    assert shifted.headings == ('network', 'norm', 'seeds', 'error', 'error on the other domain', 'seconds a run')
    assert shifted.rows == (('resnet20', 'BN', 1, 8.0, 30.0, 60),)


@pytest.mark.slow
def test_from_start_to_report_and_again(study, data, tmp_path, capsys):
    options = [*TINY, *data]

    def call(*words):
        return run_tool(
            study.main,
            study.parse_arguments(
                [
                    '--data',
                    'streetcrops',
                    '--seeds',
                    '0',
                    '--work-dir',
                    str(tmp_path),
                    '--cfg-options',
                    *options,
                    *words,
                ]
            ),
        )

    assert call('--norms', 'bn', '--report-only') == 2
    assert 'nothing is done yet' in capsys.readouterr().err
    assert call('--norms', 'bn', 'sw') == 0
    printed = capsys.readouterr().out
    out = tmp_path / 'streetcrops'
    text = (out / 'study.md').read_text()
    assert '[1/2] bn_resnet20_streetcrops seed 0: error' in printed and text in printed
    rows = list(csv.DictReader((out / 'errors.csv').open()))
    assert [row['norm'] for row in rows] == ['BN', 'SWa'] and 0 <= float(rows[1]['error on the other domain']) <= 100
    robust = list(csv.DictReader((out / 'robustness.csv').open()))
    assert set(robust[0]) >= {'clean', 'contrast and light', 'shading', 'noise', 'blur'}
    result = json.loads((tmp_path / 'runs' / 'sw_resnet20_streetcrops_seed0.json').read_text())
    assert float(rows[1]['error']) == pytest.approx(result['error']) and len(result['changed']['noise']) == 3
    for name in ('resnet20_validation', 'resnet20_training', 'resnet20_sw_mean', 'resnet20_sw_cov'):
        assert (out / f'{name}.png').stat().st_size > 5000 and f'({name}.png)' in text
    assert 'tools/train.py configs/bn_resnet20_streetcrops.py' in text and '--seed N' in text
    trained = (tmp_path / 'runs' / 'bn_resnet20_streetcrops_seed0' / 'iter_4.pth').stat().st_mtime_ns
    assert call('--norms', 'bn', 'sw') == 0  # nothing is trained again
    assert 'seed 0: error' not in capsys.readouterr().out
    assert (tmp_path / 'runs' / 'bn_resnet20_streetcrops_seed0' / 'iter_4.pth').stat().st_mtime_ns == trained
    assert call('--norms', 'bn', 'sw', 'iw', '--report-only') == 0
    assert '1 of 3 runs are not done' in capsys.readouterr().out


def test_what_there_is_no_config_for(study, capsys):
    def call(*words):
        return run_tool(study.main, study.parse_arguments([*words]))

    assert call('--data', 'cifar100', '--norms', 'swtied') == 2
    assert 'no config swtied_resnet20_cifar100; did you mean ' in capsys.readouterr().err
    assert call('--data', 'mnist') == 2
    assert 'no config bn_resnet20_mnist' in capsys.readouterr().err
    planned = study.plan(study.parse_arguments(['--data', 'cifar10', '--networks', 'resnet20', 'resnet44']))
    assert len(planned) == 5 * (6 + 5) and [run.seed for run in planned[:11]] == [0] * 11  # IW of ResNet-20 alone
    assert planned[6].command().startswith('python tools/train.py configs/bn_resnet44_cifar10.py --work-dir ')
    assert planned[7].command().startswith('python tools/train.py configs/bn_resnet44_cifar10.py --norm sn --work-dir ')


def test_training_and_testing_by_the_tools(data, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(REPOSITORY)
    train, test = import_module('sw_mmseg.commands.train'), import_module('sw_mmseg.commands.test')
    config = 'configs/bn_resnet20_streetcrops.py'
    options = ['--norm', 'sw', '--work-dir', str(tmp_path), '--cfg-options', *TINY, *data]
    assert run_tool(train.main, train.parse_arguments([config, '--amp', *options])) == 0
    words = [config, str(tmp_path / 'iter_4.pth'), *options]
    assert run_tool(test.main, test.parse_arguments(words)) == 0, capsys.readouterr().err
    metrics = json.loads((tmp_path / 'iter_4_metrics.json').read_text())
    assert 0 <= metrics['accuracy/top1'] <= 100


@pytest.mark.parametrize(
    'config, message',
    [('bn_resnet20_cifar10', 'cifar-10-batches-py is missing'), ('bn_resnet50_imagenet', 'train is missing')],
)
def test_missing_data_is_one_line(monkeypatch, tmp_path, capsys, config, message):
    monkeypatch.chdir(REPOSITORY)
    train = import_module('sw_mmseg.commands.train')
    absent = tmp_path / 'absent'
    words = [
        f'configs/{config}.py',
        '--work-dir',
        str(tmp_path / 'work'),
        '--cfg-options',
        f'train_dataloader.dataset.dataset.data_root={absent}',
    ]
    assert run_tool(train.main, train.parse_arguments(words)) == 2
    error = capsys.readouterr().err
    assert message in error and 'digits configs' in error and error.count('\n') == 2
    assert not (tmp_path / 'work').exists()
