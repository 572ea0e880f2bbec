"""The demo's networks in processes of their own: the same files, and the exit status of one that fails."""

import json

import pytest

from sw_mmseg.commands.demo import parse_arguments
from sw_mmseg.running import training
from sw_mmseg.studies.demo.side_by_side import words_of

TREATED = ('source only', 'target statistics', 'adversarial', 'self-training')


@pytest.mark.parametrize('words', [[], ['--size', '64x32', '--seeds', '1', '2', '--all', '--work-dir', 'out']])
def test_a_process_of_its_own_is_asked_for_the_same(words):
    args = parse_arguments(words)
    assert parse_arguments(words_of(args)) == args


@pytest.mark.slow
def test_networks_side_by_side_give_the_same_files(demo, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(training, 'train', None)  # nothing is trained here, all of it in processes of their own
    assert demo('--iterations', 1, '--jobs', 2) == 0
    out = tmp_path / 'demo'
    rows = json.loads((out / 'results.json').read_text())['rows']
    assert [(r['network'], r['treatment']) for r in rows] == [(n, t) for n in ('bn', 'in') for t in TREATED]
    text = capfd.readouterr().out
    assert all(f'{n.upper()} self-training: target mIoU' in text for n in ('bn', 'in'))
    assert text.count('[1/3]') == 2 and (out / 'report.html').is_file()


@pytest.mark.slow
def test_a_network_that_fails_ends_the_demo_with_its_status(demo, tmp_path, capfd):
    (tmp_path / 'demo' / 'runs').mkdir(parents=True)
    (tmp_path / 'demo' / 'runs' / 'in_source_only_seed0').write_text('a file where a folder belongs')
    assert demo('--iterations', 1, '--jobs', 2, '--rows', 'in', 'bn') != 0
    assert not (tmp_path / 'demo' / 'report.html').exists()
