"""The adaptation study from end to end with four iterations, and its tables from results written by hand."""

import functools
import json
from concurrent.futures import Future
from importlib import import_module

import pytest

from sw_mmseg.running import records, schedules
from sw_mmseg.running.command_line import run_tool
from sw_mmseg.studies.adaptation import cells, runs
from sw_mmseg.studies.adaptation import study as side_by_side


class Here:
    """An executor that works in this process: starting new ones would take most of the time."""

    def __init__(self, jobs, **options):
        assert options['max_tasks_per_child'] == 1

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def submit(self, function, *words):
        future = Future()
        future.set_result(function(*words))
        return future


@pytest.fixture
def study(tmp_path, monkeypatch, one_thread):
    """`study(...)` -> exit status; streets are tiny."""
    tool = import_module('sw_mmseg.commands.analysis.adaptation_study')

    def tiny(out, variant, source=3, target_train=4, target_val=2, seed=0):
        return generate(out, variant, (64, 32), min(source, 3), target_train, target_val, seed)

    generate = runs.generate_streets
    monkeypatch.setattr(runs, 'generate_streets', tiny)
    monkeypatch.setattr(side_by_side, 'ProcessPoolExecutor', Here)
    monkeypatch.setattr(tool, 'DOCS', tmp_path / 'docs')
    monkeypatch.setattr(side_by_side, 'measure', runs.measure)
    schedule, in_process = schedules.schedule_options, {}
    for part in ('train_dataloader', 'val_dataloader'):
        in_process |= {f'{part}.num_workers': 0, f'{part}.persistent_workers': False}
    monkeypatch.setattr(schedules, 'schedule_options', lambda *words: schedule(*words) | in_process)

    def run(*words):
        words = ['--work-dir', tmp_path / 'out', '--streets', tmp_path / 'data', '--iterations', 4, *words]
        return run_tool(tool.main, tool.parse_arguments([str(w) for w in words]))

    run.tool = tool
    return run


@pytest.mark.slow
def test_study_from_end_to_end(study, tmp_path, capsys):
    images = tmp_path / 'docs' / 'images'
    images.mkdir(parents=True)
    marks = ('study, varied', 'comparisons', 'choice', 'cost')
    (tmp_path / 'docs/adaptation.md').write_text(
        ''.join(f'<!-- {mark}: by a tool -->\nold\n<!-- end of {mark} -->\n' for mark in marks)
    )
    words = ['--norms', 'in', 'sw', '--seeds', 0]
    assert study(*words, '--docs') == 0
    files = {file.stem: json.loads(file.read_text()) for file in (tmp_path / 'out/results').glob('*.json')}
    assert sorted(files) == [
        f'{norm}_{method}_streets_varied_4iterations_seed0'
        for norm in ('in', 'sw')
        for method in ('adaptsegnet', 'sourceonly')
    ]
    adapted = files['sw_adaptsegnet_streets_varied_4iterations_seed0']
    assert list(adapted['scores']) == [
        'source',
        'target',
        're-estimated',
        'switches',
        'disturbed',
        'disturbed, re-estimated',
    ]
    assert adapted['kept'] == 'target'
    assert list(files['sw_sourceonly_streets_varied_4iterations_seed0']['scores']) == [
        'source',
        're-estimated',
        'switches',
        'disturbed',
        'disturbed, re-estimated',
    ]
    assert list(files['in_adaptsegnet_streets_varied_4iterations_seed0']['scores']) == ['none']
    assert [entry['iteration'] for entry in adapted['history']] == [1, 2, 3, 4]
    assert all(0 <= entry['entropy'] <= 1 for entry in adapted['history'])
    assert 'model.statistics_from=separate' in adapted['command']
    assert len(adapted['distances']) == 13 and set(adapted['distances']) == set(
        files['in_sourceonly_streets_varied_4iterations_seed0']['distances']
    )
    # the last checkpoint, scored as a checkpoint, is the network itself
    present = [value for value in adapted['scores']['target']['target'] if value == value]
    assert adapted['history'][-1]['target'] == pytest.approx(sum(present) / len(present))
    docs = (tmp_path / 'docs/adaptation.md').read_text()
    assert 'old' not in docs and 'after the last of 4 iterations' in docs and '| AdaptSegNet | SWa |' in docs
    assert (images / 'adaptation_varied.png').read_bytes()[:4] == b'\x89PNG'

    assert len((tmp_path / 'docs/results/adaptation.jsonl').read_text().splitlines()) == 4
    capsys.readouterr()
    assert study(*words) == 0
    assert '4 of 4 trainings done before' in capsys.readouterr().out
    # elsewhere the study goes on from the results that the docs keep
    assert study(*words, '--work-dir', tmp_path / 'elsewhere') == 0
    assert '4 of 4 trainings done before' in capsys.readouterr().out
    assert sorted(file.stem for file in (tmp_path / 'elsewhere/results').glob('*.json')) == sorted(files)
    # another target: source-only networks are not trained again, the adapted ones are
    folders = {path.name for path in (tmp_path / 'out/runs').iterdir()}
    trained = tmp_path / 'out/runs/sw_sourceonly_streets_4iterations_seed0/iter_4.pth'
    before = trained.stat().st_mtime_ns
    assert study('--norms', 'sw', '--seeds', 0, '--targets', 'homogeneous') == 0
    after = {path.name for path in (tmp_path / 'out/runs').iterdir()}
    assert after - folders == {'sw_adaptsegnet_streets_homogeneous_4iterations_seed0'}
    assert trained.stat().st_mtime_ns == before
    text = (tmp_path / 'out/results.md').read_text()
    assert '## varied' in text and '## homogeneous' in text
    # statistics that both domains move: the same weights, another set
    assert study('--methods', 'adaptsegnet', '--norms', 'sw', '--seeds', 0, '--variations', 'both') == 0
    both = json.loads((tmp_path / 'out/results/sw_adaptsegnet_streets_varied_both_4iterations_seed0.json').read_text())
    assert list(both['scores']) == ['both', *list(adapted['scores'])[2:]] and both['kept'] == 'both'
    assert both['scores']['re-estimated'] == adapted['scores']['re-estimated'] and both['ratios'] == adapted['ratios']
    assert both['scores']['both'] not in [adapted['scores'][policy] for policy in ('source', 'target')]


def result(tool, method='adaptsegnet', norm='bn', seed=0, target=10.0, other=20.0, **changed):
    history = [
        {'iteration': i, 'target': t, 'source': s, 'entropy': e, 'information': 1 - e, 'neighbourhoods': e}
        for i, t, s, e in ((1, 30.0, 50.0, 0.9), (2, 20.0, 60.0, 0.1))
    ]
    values = dict(
        method=method,
        norm=norm,
        seed=seed,
        target='varied',
        variation='',
        iterations=2,
        scores={
            'target': {'target': [target, float('nan')], 'source': [50.0, 40.0]},
            're-estimated': {'target': [other, float('nan')], 'source': [30.0, 20.0]},
        },
        kept='target',
        history=history,
        classes=['road', 'bus'],
        seconds=7.0,
        memory=100.0,
        command='x',
    )
    return cells.Result(**{**values, **changed})


def test_tables_take_each_norms_best_policy_over_seeds_and_say_what_choosing_costs(study):
    tool = study.tool
    report = tool.report
    results = [result(tool, seed=seed, target=10.0 + seed, other=20.0 - 4 * seed) for seed in (0, 1)]
    results += [result(tool, norm='in', seed=seed, target=25.0, other=5.0) for seed in (0, 1)]
    table = report.grid(results, 'varied', report.last)
    assert table.headings == ('method', 'BN', 'IN')
    assert table.rows == (('AdaptSegNet', '18.0 ± 2.8', '25.0 ± 0.0'),)  # re-estimated for BN, as trained for IN
    assert report.grid(results, 'varied', functools.partial(report.last, domain='source')).rows[0][1:] == (
        '25.0 ± 0.0',
        '45.0 ± 0.0',
    )
    choice = {row[0]: row[1:] for row in report.choice_table(results).rows}
    # the first checkpoint is the better one (30 against 20); only the density here prefers it
    assert choice['last iteration'] == choice['source validation'] == choice['entropy'] == (10.0, 10.0, 0.0)
    assert choice['neighbourhoods'] == (0.0, 0.0, 100.0)
    assert report.choice_table([result(tool, history=results[0].history[-1:])]) is None
    assert report.grid(results, 'varied', report.best_on_target).rows[0][1:] == ('30.0 ± 0.0', '30.0 ± 0.0')
    assert report.class_table(results, 'varied', 'adaptsegnet').rows[0] == ('road', 18.0, 25.0)


def test_other_lengths_stand_in_a_table_of_their_own(study):
    report = study.tool.report
    results = [result(study.tool, seed=seed) for seed in (0, 1)]
    results += [result(study.tool, norm='sw', seed=0), result(study.tool, iterations=8, target=40.0, other=15.0)]
    results[-1].scores['source'] = {'target': [1.0, 2.0], 'source': [70.0, 60.0]}
    assert report.usual_length(results) == results[:3]
    assert report.length_table(results, 'varied').rows == (
        ('AdaptSegNet', 'BN', 2, 2, '20.0 ± 0.0', None, None, None, 'a CPU'),
        ('AdaptSegNet', 'BN', 8, 1, 40.0, None, 65.0, None, 'a CPU'),
    )
    assert '| AdaptSegNet | 20.0 ± 0.0 |' in report.summary(results)  # not a mean over both lengths
    assert report.length_table(results[:3], 'varied') is None


def test_statistics_of_both_domains_stand_in_a_table_of_their_own(study):
    report = study.tool.report
    results = [result(study.tool, seed=seed) for seed in (0, 1)]
    scores = {'both': {'target': [30.0, float('nan')]}, 're-estimated': {'target': [20.0, float('nan')]}}
    results += [result(study.tool, variation='both', scores=scores, kept='both')]
    table = report.policy_table(results, 'varied')
    assert table.headings == ('method', 'norm', 'seeds', "target's", 're-estimated')
    assert table.rows == (('AdaptSegNet', 'BN', 2, '10.0 ± 0.0', '20.0 ± 0.0'),)
    table = report.policy_table(results, 'varied', 'both')
    assert table.headings == ('method', 'norm', 'seeds', "both's", 're-estimated')
    assert table.rows == (('AdaptSegNet', 'BN', 1, 30.0, 20.0),)
    assert (
        'Running statistics that both domains move, in trainings of their own on a CPU, target mIoU:'
        in report.sections(results, 'varied')
    )
    assert report.variation_table(results, 'varied') is None


def test_wrong_words_end_in_one_line(study, capsys):
    assert study('--methods', 'sourceonly', 'magic') == 2
    assert 'no config bn_magic_streets.py; methods with one: sourceonly, ' in capsys.readouterr().err
    assert study('--methods', 'sourceonly', '--variations', 'both') == 2
    assert '--variations both needs target images in training; sourceonly has none' in capsys.readouterr().err
    assert study('--targets', 'mars') == 2
    assert 'streets has varied, homogeneous' in capsys.readouterr().err
    assert study('--report-only') == 2
    assert 'leave out --report-only' in capsys.readouterr().err


def test_another_network_has_names_results_and_a_report_of_its_own(study, tmp_path, capsys):
    words = ['--methods', 'sourceonly', '--norms', 'sw', '--seeds', 0, '--work-dir', tmp_path / 'out']
    args = study.tool.parse_arguments([str(word) for word in (*words, '--network', 'resnet101', '--targets', 'varied')])
    (cell,) = side_by_side.plan(args)
    assert cell.name == 'sw_sourceonly101_streets_varied_seed0'
    config, run = cells.configured(cell, args.work_dir, args.streets)
    assert config.model.backbone.depth == 101 and config.model.backbone.site_norm_cfg == dict(type='SW')
    train = 'python tools/train.py configs/bn_sourceonly_streets.py'
    assert run.command().startswith(f'{train} --network resnet101 --norm sw ')
    for network, target in ((None, 10.0), ('resnet101', 40.0)):
        kept = result(
            study.tool, method='sourceonly', norm='sw', target=target, other=0.0, network=network, iterations=4
        )
        records.write_result(tmp_path / 'out/results' / f'{network}.json', 'mark', kept)
    for more, expected, other in (([], '10.0', '40.0'), (['--network', 'resnet101'], '40.0', '10.0')):
        assert study(*words, '--report-only', *more) == 0
        summary = capsys.readouterr().out
        assert '1 of 1 results shown are of earlier calls' in summary
        assert f'| source only | {expected} |' in summary and other not in summary.split('Took')[0]
    with pytest.raises(SystemExit):
        study(*words, '--network', 'resnet101', '--docs')
    assert "--docs is of the configs' own networks" in capsys.readouterr().err
    default = study.tool.parse_arguments
    assert str(default(['--network', 'small']).work_dir) == 'work_dirs/adaptation_study_small'
    assert str(default([]).work_dir) == 'work_dirs/adaptation_study'
