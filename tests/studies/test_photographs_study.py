"""The study on photographs from end to end with four iterations on drawn files, and its settings."""

import json
from importlib import import_module

import pytest

from sw_mmseg.running.command_line import run_tool
from sw_mmseg.running.errors import UserError
from sw_mmseg.studies.photographs import runs
from sw_mmseg.studies.photographs.cells import Cell, configured
from sw_mmseg.studies.photographs.settings import difference, without
from tests.helpers.camvid_files import small_configured, write_camvid


@pytest.fixture
def study(tmp_path, monkeypatch, one_thread):
    """`study(...)` -> exit status; images are tiny, and the files to fill are stand-ins."""
    tool, data = import_module('sw_mmseg.commands.analysis.photographs_study'), write_camvid(tmp_path / 'data')
    for name in ('PAGE', 'KEPT', 'PICTURE', 'PLOT'):
        monkeypatch.setattr(tool, name, tmp_path / name.lower())

    monkeypatch.setattr(runs, 'configured', small_configured(data))

    def call(*words):
        words = ['--work-dir', tmp_path / 'out', '--iterations', 4, '--seeds', 0, *words]
        return run_tool(tool.main, tool.parse_arguments([str(word) for word in words]))

    return call


@pytest.mark.slow
def test_study_from_end_to_end(study, tmp_path, capsys):
    (tmp_path / 'page').write_text('# Photographs\n\n<!-- study: made by a tool -->\nold\n<!-- end of study -->\n')
    assert study('--methods', 'jitter', 'cbst', '--docs') == 0
    assert (tmp_path / 'picture').read_bytes()[:3] == b'\xff\xd8\xff'  # a JPEG
    assert (tmp_path / 'plot').read_bytes()[:4] == b'\x89PNG'
    assert '0 of 2 trainings done before' in capsys.readouterr().out
    names = [f'bn_{method}_streets2camvid_4iterations_seed0' for method in ('cbst', 'jitter')]
    records = [json.loads(line) for line in (tmp_path / 'kept').read_text().splitlines()]
    assert [record['file'] for record in records] == names
    for record in records:
        assert set(record['scores']) == {'val', 'test'} and len(record['classes']) == 11
        for part in record['scores'].values():
            assert set(part) == {'trained', 're-estimated'} and all(len(values) == 11 for values in part.values())
        assert 0 < record['processor_seconds'] and record['device'].startswith('1 thread of')
        assert record['command'].startswith(f'python tools/train.py configs/bn_{record["method"]}_streets2camvid.py')
    page = (tmp_path / 'page').read_text()
    assert 'class-balanced self-training (CBST)' in page and 'pedestrian' in page and '\nold\n' not in page
    # what is done is not measured again, and records of the repository are gone on from
    (tmp_path / 'out').rename(tmp_path / 'elsewhere')
    assert study('--methods', 'jitter', 'cbst') == 0
    assert '2 of 2 trainings done before' in capsys.readouterr().out
    assert not (tmp_path / 'out/runs').exists()


def test_settings_change_what_they_say(tmp_path):
    plain, _ = configured(Cell('cbst', 'bn', 0), tmp_path)
    changed, run = configured(Cell('cbst', 'sw', 1, setting='strongunweighted'), tmp_path)
    assert plain.model.segmentor.decode_head.loss_decode.class_weight[-1] == 4.6
    assert 'class_weight' not in changed.model.segmentor.decode_head.loss_decode
    source = changed.train_dataloader.dataset.source
    assert source.type == 'ClassMix' and source.dataset.data_root == plain.train_dataloader.dataset.source.data_root
    assert 'RandomResize' in [step.type for step in source.dataset.pipeline]
    assert run.folder == tmp_path / 'runs/sw_cbst_streets2camvid_strongunweighted_seed1' and run.norm == 'sw'
    assert plain.train_dataloader.num_workers == 0
    with pytest.raises(UserError, match='no setting'):
        configured(Cell('cbst', 'bn', 0, setting='x'), tmp_path)
    with pytest.raises(UserError, match='no config bn_mic_streets2camvid.py'):
        configured(Cell('mic', 'bn', 0), tmp_path)


@pytest.mark.parametrize('method, scaled', [('jitter', 3), ('cbst', 4), ('oracle', 3)])
def test_a_larger_size_is_that_of_training_and_of_scores(method, scaled, tmp_path):
    """Of source and target images, in training and in both parts that are scored."""
    config, _ = configured(Cell(method, 'bn', 0, setting='larger'), tmp_path)
    used = str([config.train_dataloader, config.val_dataloader, config.test_dataloader])
    assert (used.count('(384, 288)'), used.count('(256, 192)')) == (scaled, 0)


def test_settings_are_compared_where_they_differ_in_one_part(tmp_path):
    assert difference('', 'unmixed') == 'method' and difference('gameunmixed', 'unmixed') == 'streets'
    assert difference('larger', '') == 'size' and difference('larger', 'unmixed') is None
    assert [without('method', name) for name in ('', 'unmixed', 'gameunmixed', 'larger')] == ['', '', 'game', 'larger']
    assert configured(Cell('cbst', 'bn', 0), tmp_path)[0].model.class_mix is True
    assert configured(Cell('cbst', 'bn', 0, setting='largerunmixed'), tmp_path)[0].model.class_mix is False


def test_at_dusk_two_methods_are_their_configs_for_photographs_with_options(tmp_path):
    jitter, oracle, rounds = (
        configured(Cell(method, 'bn', 0, 'camvid_day2dusk'), tmp_path)[0] for method in ('jitter', 'oracle', 'cbst')
    )
    assert jitter.train_dataloader.dataset.dataset == rounds.train_dataloader.dataset.source
    labelled = oracle.train_dataloader.dataset.dataset
    assert (labelled.split, labelled.sequences, labelled.data_root) == ('train', ['0001TP'], 'data/camvid')
    assert labelled.pipeline == rounds.train_dataloader.dataset.source.pipeline
    for config in (jitter, oracle):
        assert config.train_dataloader.dataset.rare_class_sampling == (
            rounds.train_dataloader.dataset.rare_class_sampling
        )
        assert config.val_dataloader == rounds.val_dataloader and config.test_dataloader == rounds.test_dataloader


def test_processor_time_adds_up_over_calls(tmp_path):
    file = tmp_path / 'processor.json'
    file.write_text(json.dumps({'seconds': 100.0}))
    (tmp_path / 'demo_run.json').write_text('{}')
    with runs.processor_time(file) as total:
        sum(range(10_000))
    assert 100 < total['seconds'] < 110 and json.loads(file.read_text())['seconds'] == total['seconds']
