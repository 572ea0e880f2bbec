"""The demo from end to end, with a handful of images and iterations: stopped, continued, repeated, changed."""

import html
import json
import os
import shlex
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from sw_mmseg.analysis.report import page_faults
from sw_mmseg.engine import ProgressHook
from sw_mmseg.running import records, schedules, training
from sw_mmseg.running.command_line import commands_of_here
from sw_mmseg.running.paths import shipped_config
from sw_mmseg.running.training import Run
from sw_mmseg.studies.demo import report
from sw_mmseg.studies.demo.rows import Row
from sw_mmseg.studies.demo.study import Demo

TREATED = ('source only', 'target statistics', 'adversarial', 'self-training')


class StopOnce(ProgressHook):
    """Ctrl-C after the first iteration of the second training."""

    trainings = 0

    def before_train(self, runner):
        super().before_train(runner)
        StopOnce.trainings += 1

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if StopOnce.trainings == 2 and runner.iter == 0:
            os.kill(os.getpid(), signal.SIGINT)


def test_demo_from_end_to_end(demo, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, 'ProgressHook', StopOnce)
    schedule, in_process = schedules.schedule_options, {}
    for part in ('train_dataloader', 'val_dataloader'):  # starting and ending workers would take most of the time
        in_process |= {f'{part}.num_workers': 0, f'{part}.persistent_workers': False}
    monkeypatch.setattr(schedules, 'schedule_options', lambda *words: schedule(*words) | in_process)
    out = tmp_path / 'demo'
    assert demo('--iterations', 2) == 130
    assert 'the same command goes on' in capsys.readouterr().err
    assert sorted(p.name for p in (out / 'rows').glob('*.json')) == [
        'bn_source_only_seed0.json',
        'bn_target_statistics_seed0.json',
    ]
    assert not (out / 'report.html').exists()

    first = (out / 'rows' / 'bn_source_only_seed0.json').stat().st_mtime_ns
    assert demo('--iterations', 2) == 0
    assert StopOnce.trainings == 7  # two of the first call; the one that was stopped, and four more
    assert (out / 'rows' / 'bn_source_only_seed0.json').stat().st_mtime_ns == first
    results = json.loads((out / 'results.json').read_text())
    rows = {(r['network'], r['treatment']): r for r in results['rows']}
    assert list(rows) == [(n, t) for n in ('bn', 'in') for t in TREATED]
    # the small network keeps BN outside the sites, so that there are running statistics whatever stands at these
    kept = ['source', 'target, re-estimated', 'target, in training', 'target, in training']
    assert [r['statistics'] for r in rows.values()] == 2 * kept
    assert all(len(row['categories']) == 7 for row in rows.values())
    start = (out / 'runs' / 'bn_source_only_seed0' / 'iter_2.pth').resolve()
    assert all(f'load_from={start}' in rows['bn', treatment]['command'] for treatment in TREATED[2:])
    present = [v for v in rows['bn', 'adversarial']['target'] if v is not None]
    assert rows['bn', 'adversarial']['target_mIoU'] == pytest.approx(sum(present) / len(present))
    assert results['iterations'] == 2
    assert 'reestimate_statistics' in rows['bn', 'target statistics']['command']

    page = (out / 'report.html').read_text()
    assert page_faults(page) == [] and len(page) < 10_000_000
    assert page.count('<img') >= 2 * 5 + 2  # image, truth and three networks of two images; bars and curves
    for row in rows.values():
        assert f'{row["target_mIoU"]:.1f}' in page and commands_of_here(row['command']) in html.unescape(page)
    table = (out / 'table.md').read_text()
    assert len([line for line in table.splitlines() if line.startswith('|')]) == 2 + 8
    assert (out / 'predictions.png').stat().st_size > 1000 and (out / 'curve_1.png').is_file()
    assert not list(out.rglob('*.part*'))

    trainings = StopOnce.trainings
    assert demo('--iterations', 2) == 0  # all is done: nothing is trained, the same table
    assert StopOnce.trainings == trainings and (out / 'table.md').read_text() == table


def test_switches_learnt_again_are_a_row_and_leave_the_others_alone(demo, tmp_path, monkeypatch, capsys):
    args = demo.tool.parse_arguments(demo.words('--rows', 'sw', '--iterations', 1, '--pictures', 1))
    made = Demo(args)
    run = made.run('sw', 'source only', 0)
    rows = {row.treatment: row for row, _ in made.source_rows(run)}
    assert list(rows) == ['source only', 'switches learnt again', 'target statistics']
    alone, again, target = rows.values()
    sites = len(made.config(run).model.backbone['at'])
    assert len(alone.ratios) == 2 * 2 * sites  # means and covariances, bw and iw
    assert max(abs(again.ratios[name] - ratio) for name, ratio in alone.ratios.items()) > 0.005
    assert target.ratios == alone.ratios  # what was learnt again is not in it
    assert [row.statistics for row in rows.values()] == ['source', 'source', 'target, re-estimated']
    assert '--switches source --keep-statistics' in again.command and str(run.folder) in again.command
    assert f'data_root={tmp_path}/data/varied/gta5' in again.command  # the pictures that this run was trained on
    kept = [row for row, _ in Demo(args).source_rows(run)]
    assert [(row.treatment, row.seconds) for row in kept] == [(row.treatment, row.seconds) for row in rows.values()]
    assert 'done before' in capsys.readouterr().out


def test_printed_commands_are_quoted_and_of_this_place(tmp_path, monkeypatch, capsys):
    run = Run('bn', 'source only', 0, 'configs/bn_x.py', {}, Path('a b'))
    demo = SimpleNamespace(
        batches=1, done=0, total=2, quiet=False, config=lambda _: Config({'train_cfg': {'max_iters': 3}})
    )
    words = shlex.split(Demo.estimation_command(demo, run, '--images-from', Path('c d')))
    assert words[2:] == ['configs/bn_x.py', 'a b/iter_3.pth', 'a b/target.pth', '--images-from', 'c d', '--images', '4']
    monkeypatch.chdir(tmp_path)
    Demo.announce(demo, run, False)
    assert "python -m sw_mmseg train configs/bn_x.py --work-dir 'a b'" in capsys.readouterr().out


def test_rows_of_other_options_are_not_shown(demo):
    fingerprint = records.fingerprint
    from mmengine.config import Config

    config = Config({'a': 1})
    assert fingerprint(config, 1) == fingerprint(config, 1)
    assert len({fingerprint(config, 1), fingerprint(config, 2), fingerprint(Config({'a': 2}), 1)}) == 3


def test_options_shorten_every_schedule(demo):
    from mmengine.config import Config

    config = Config.fromfile(shipped_config('bn_adaptsegnet_streets'))
    options = schedules.schedule_options(config, config.train_cfg.max_iters // 10)
    config.merge_from_dict(options)
    ends = [max(s.end for s in schedules) for schedules in config.param_scheduler.values()]
    assert len(ends) == 2 and set(ends) == {config.train_cfg.max_iters}
    assert schedules.schedule_options(config, None) == {}


@pytest.mark.parametrize('option', ['images', 'test-images', 'iterations', 'pictures'])
def test_counts_below_one_are_refused(demo, capsys, option):
    assert demo(f'--{option}', 0) == 2
    assert f'--{option} 0: must be at least 1' in capsys.readouterr().err


def test_a_size_that_is_none_is_refused(demo, capsys):
    with pytest.raises(SystemExit):
        demo('--size', '64')
    assert "argument --size: '64' is no size: give width and height" in capsys.readouterr().err


def test_sentences_say_what_the_numbers_say():

    def row(network, treatment, target, seed=0, kept='target, re-estimated'):
        return Row(network, treatment, seed, kept, [target, float('nan')], [60.0, 50.0], [70.0], 10.0, 'command')

    rows = [
        row('bn', 'source only', 12.0, kept='source'),
        row('bn', 'target statistics', 48.0),
        row('bn', 'adversarial', 54.0),
        row('in', 'source only', 36.0, kept='none kept'),
        row('in', 'target statistics', 36.0, kept='none kept'),
        row('in', 'adversarial', 52.0, kept='none kept'),
    ]
    lines = report.sentences(rows, 600, 400)
    assert lines[0] == (
        'BN, trained on the source alone: 55.0 mIoU on source images it has not seen, 12.0 on the target. '
        'With running statistics of target images and no training: 48.0. Adversarial training from there: 54.0.'
    )
    assert 'keeps no running statistics' in lines[1] and '36.0 on the target' in lines[1]
    assert lines[2] == 'Highest here: BN adversarial (54.0), then IN adversarial (52.0).'
    assert 'not measured' in lines[3]
    table = report.result_table(rows, 100)
    assert [r[2] for r in table.rows] == [
        12.0,
        48.0,
        54.0,
        36.0,
        36.0,
        52.0,
    ] and not table.strong  # one seed tells nothing
    learnt = [
        row('sw', 'source only', 13.0, kept='source'),
        row('sw', 'switches learnt again', 14.5, kept='source'),
        row('sw', 'target statistics', 14.0),
        row('sw', 'adversarial', 13.5),
        row('sw', 'self-training', 13.9),
    ]
    assert (
        'no training: 14.0. With its switches learnt again on source images in other light: 14.5. '
        'Adversarial training from there: 13.5. Self-training from there: 13.9.'
        in report.sentences([*rows, *learnt], 600, 400)[2]
    )
    assert [r[1] for r in report.result_table(learnt, 100).rows] == [r.treatment for r in learnt]
    several = [*rows, *(row(r.network, r.treatment, r.target[0] + 2, seed=1, kept=r.statistics) for r in rows)]
    assert report.result_table(several, 100).rows[0][2] == '13.0 ± 1.4'  # 12 and 14: deviation sqrt(2)
    # the deviation pooled over six rows is sqrt(2), so 15 comparisons tell 6.6 points from none: 49 is 6 below 55
    assert report.result_table(several, 100).strong == {1, 2, 5}
    noise = report.sentences(several, 600, 400)[3]
    assert 'not measured' not in noise and '2 trainings' in noise
