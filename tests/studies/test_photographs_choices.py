"""The study of choices on photographs: from end to end with two iterations on drawn files, and its tables by hand."""

import json
from importlib import import_module

import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS

from sw_mmseg.own_images.source_free_config import RATE
from sw_mmseg.running.command_line import run_tool
from sw_mmseg.studies.photographs import blend, choices, choices_report, few_labels, runs, source_free
from sw_mmseg.studies.photographs.cells import Cell
from sw_mmseg.studies.photographs.trials import Extent, Trial, TrialResult
from tests.helpers.camvid_files import small_configured, write_camvid


@pytest.fixture
def data(tmp_path, monkeypatch, one_thread):
    """Folder of the drawn files, which every config of the study reads, its images tiny."""
    folder = write_camvid(tmp_path / 'data')

    monkeypatch.setattr(runs, 'configured', small_configured(folder))
    init_default_scope('mmseg')
    return folder


@pytest.fixture
def study(data, tmp_path, monkeypatch):
    """`study(...)` -> exit status; the files to fill are stand-ins."""
    tool = import_module('sw_mmseg.commands.analysis.photographs_choices')
    for name in ('PAGE', 'KEPT', 'TRAININGS'):
        monkeypatch.setattr(tool, name, tmp_path / name.lower())

    def call(*words):
        words = [*words, '--work-dir', tmp_path / 'out', '--iterations', 2, '--labels', 0, 2, '--seeds', 0]
        return run_tool(tool.main, tool.parse_arguments([str(word) for word in words]))

    return call


@pytest.mark.slow
def test_every_part_from_end_to_end(study, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(blend, 'ALPHAS', (0.0, 0.5))
    (tmp_path / 'page').write_text('# Choose\n\n<!-- choices: made by a tool -->\nold\n<!-- end of choices -->\n')
    assert study('--docs', '--data', 'streets2camvid') == 0
    assert '0 of 29 rows done before' in capsys.readouterr().out  # 4 + 3 * 4 + 2 * 3 + 2 + 5
    records = [json.loads(line) for line in (tmp_path / 'kept').read_text().splitlines()]
    by_name = {record['file']: record for record in records}
    assert len(by_name) == 29
    for record in records:
        assert set(record['scores']) == {'val', 'test'} and len(record['scores']['test']['trained']) == 11
        assert record['command'].startswith(f'python tools/analysis/photographs_choices.py {record["part"]} --seeds 0')
        assert record['device'].startswith('1 thread of') and record['iterations'] == 2

    def test_scores(name):
        return by_name[name]['scores']['test']['trained']

    start = 'bn_jitter_streets2camvid_2iterations_seed0'
    assert test_scores(f'blend_{start}_blend0') == test_scores(f'source-free_{start}_asgiven')
    assert test_scores(f'blend_{start}_blend0.5') != test_scores(f'blend_{start}_blend0')
    begun = torch.load(tmp_path / f'out/runs/{start}_start.pth')['state_dict']
    ended = torch.load(tmp_path / f'out/runs/source-free_{start}_self-training/iter_2.pth', weights_only=False)
    moved = [not torch.equal(value, ended['state_dict'][f'segmentor.{key}']) for key, value in begun.items()]
    assert sum(moved) > 100
    switched = 'switches_sw_sourceonly_streets2camvid_2iterations_seed0'
    ratios = [by_name[f'{switched}_{way}']['ratios'] for way in ('astrained', 'learntagain', 'bythetarget')]
    assert ratios[0] and ratios[0] != ratios[1] and ratios[1] != ratios[2]
    page = (tmp_path / 'page').read_text()
    assert '### A few labels of the target' in page and '20 labels' not in page and '\nold\n' not in page
    assert (tmp_path / 'out/runs/bn_cbst_streets2camvid_2iterations_seed0_2labels/pseudo_labels').is_dir()
    # what is done is not measured again, and records of the repository are gone on from
    (tmp_path / 'out').rename(tmp_path / 'elsewhere')
    assert study('source-free', '--data', 'streets2camvid') == 0
    assert '6 of 6 rows done before' in capsys.readouterr().out
    assert not (tmp_path / 'out/runs').exists()


@pytest.mark.parametrize('method', few_labels.METHODS)
def test_labelled_photographs_are_a_quarter_of_what_is_drawn(data, tmp_path, method):
    trial = Trial('few-labels', '2 labels', Cell(method, 'bn', 3, iterations=4), 2)
    config, run = few_labels.configured_trial(trial, tmp_path)
    assert run.folder == tmp_path / f'runs/bn_{method}_streets2camvid_4iterations_seed3_2labels'
    assert config.work_dir == str(run.folder)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    samples = [dataset.at(position, 3) for position in range(16)]
    paths = [sample.get('source', sample)['data_samples'].img_path for sample in samples]
    photographs = [path for path in paths if '/camvid/' in path]
    assert len(photographs) == 4 and len(set(photographs)) <= 2
    unlabelled = {sample['target']['data_samples'].img_path for sample in samples if 'target' in sample}
    assert len(unlabelled) == (4 if method == 'cbst' else 0)  # the target stays whole


def test_fewer_labels_are_among_more_and_differ_from_seed_to_seed():
    assert set(few_labels.chosen(5, 367, 0)) < set(few_labels.chosen(20, 367, 0)) <= set(range(367))
    assert few_labels.chosen(20, 367, 0) != few_labels.chosen(20, 367, 1)
    assert few_labels.chosen(4, 4, 1) == [0, 1, 2, 3]


def test_training_without_a_source_reads_photographs_alone(data, tmp_path):
    cell = Cell('sourceonly', 'bn', 1, 'camvid_day2dusk', iterations=6)
    source, _ = runs.configured(cell, tmp_path)
    start = tmp_path / 'start.pth'
    torch.save({'state_dict': MODELS.build(source.model).state_dict()}, start)
    trial = Trial('source-free', 'self-training', cell)
    config, _ = source_free.configured_run(trial, tmp_path, source, start)
    assert config.train_cfg.max_iters == 6 and config.model.round_length == 3
    assert config.param_scheduler.segmentor[0].restart_weights == [RATE, RATE]
    dataset = DATASETS.build(config.train_dataloader.dataset)
    names = {dataset.at(position, 0)['data_samples'].img_path.rpartition('/')[2] for position in range(4)}
    assert names == {'0001TP_1.jpg', '0001TP_2.jpg'}  # the dusk of the training part
    model = MODELS.build(config.model)
    model.init_weights()
    begun = model.segmentor.state_dict()
    assert all(torch.equal(value, begun[key]) for key, value in torch.load(start)['state_dict'].items())


def result(part, way, score, seed=0, **changed):
    scores = {name: {'trained': [score - 10, score + 10, float('nan')]} for name in ('val', 'test')}
    values = dict(
        part=part,
        way=way,
        amount=None,
        method='jitter',
        norm='bn',
        seed=seed,
        data='streets2camvid',
        iterations=300,
        scores=scores,
        classes=['road', 'car', 'tram'],
        processor_seconds=60.0,
        command='x',
    )
    return TrialResult(**{**values, **changed})


def test_ways_of_one_network_are_compared_seed_by_seed():
    results = [
        result('blend', 'blend auto', 31.0),
        result('blend', 'blend 0.1', 21.0, amount=0.1),
        result('blend', 'blend 0.1', 33.0, seed=1, amount=0.1),
        result('blend', 'blend 0', 20.0, amount=0.0),
        result('blend', 'blend 0', 30.0, seed=1, amount=0.0),
        result('switches', 'as trained', 10.0),
    ]
    table = choices_report.part_table(results, 'blend')
    assert [row[3] for row in table.rows] == ['blend 0', 'blend 0.1', 'blend auto']
    assert table.rows[0][5:7] == ('25.0 ± 7.1', None)
    # steps 1 and 3, and 11 of one seed alone: s = sqrt(2), one degree of freedom; two comparisons: t(0.9875, 1) = 25.45
    assert table.rows[1][6] == '+2.0 (−23.5 to 27.5)' and table.rows[2][6] == '+11.0 (−25.0 to 47.0)'
    text = choices_report.section(results)
    assert text.count('###') == 2 and 're-estimated' not in text


def test_sw_as_trained_is_compared_with_bn_and_each_of_its_statistics():
    results = [
        result('blend', way, score + 2 * seed, norm=norm, method='sourceonly', seed=seed, amount=amount)
        for norm, way, amount, score in (
            ('bn', 'blend 0', 0.0, 20.0),
            ('bn', 'blend 0.1', 0.1, 22.0),
            ('bn', 're-estimated', None, 50.0),
            ('sw', 'blend 0', 0.0, 30.0),
            ('sw', 're-estimated', None, 10.0),
        )
        for seed in (0, 1)
    ]
    table = choices_report.norm_table([*results, result('blend', 'blend 0', 40.0, amount=0.0)])
    assert [row[3] for row in table.rows] == ['BN, as trained', 'BN, re-estimated']
    # s = sqrt(2) of three degrees of freedom, two comparisons: t(0.9875, 3) = 4.177
    assert [row[-1] for row in table.rows] == ['**+10.0 (4.1 to 15.9)**', '**−20.0 (−25.9 to −14.1)**']
    assert table.rows[0][4:7] == (2, '21.0 ± 1.4', '31.0 ± 1.4')


def test_networks_trained_apart_are_compared_by_their_means():
    results = [
        result('few-labels', f'{labels} labels', score + seed, seed=seed, amount=labels)
        for labels, score in ((100, 60.0), (20, 40.0), (0, 20.0))
        for seed in (0, 2)
    ]
    table = choices_report.part_table(results, 'few-labels')
    assert [row[3] for row in table.rows] == ['0 labels', '20 labels', '100 labels']
    # s = sqrt(2) of three degrees of freedom, two comparisons: t(0.9875, 3) = 4.177
    assert table.rows[1][6] == '**+20.0 (14.1 to 25.9)**'


def test_plan_goes_seed_by_seed_over_all_parts(tmp_path):
    extent = Extent((4, 2), 300, ('streets2camvid',), (0, 5), ('jitter', 'cbst'))
    trials = choices.plan(['few-labels', 'switches'], extent)
    assert [trial.cell.seed for trial in trials] == [4] * 11 + [2] * 11  # 2 methods * 2, and 2 + 5 ways
    assert {trial.cell.data for trial in trials} == {'streets2camvid'}
    assert len({trial.name for trial in trials}) == len(trials)
