"""The folder of a study's training: nothing that lies in it is lost."""

from __future__ import annotations

import json
import re

import pytest
from mmengine.config import Config

from sw_mmseg.running import training
from sw_mmseg.running.command_line import run_tool
from sw_mmseg.running.errors import UserError
from sw_mmseg.studies.photographs.runs import processor_time


class Begun(Exception):
    """Training would begin now."""


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """`begin(MARK)` a run in `tmp_path/runs/bn_seed0`; returns whether it went as far as training."""

    def begun(config):
        raise Begun

    monkeypatch.setattr(training.Runner, 'from_cfg', begun)
    folder = tmp_path / 'runs/bn_seed0'
    run = training.Run('bn', 'scene parsing', 0, 'configs/bn_pspnet_streets.py', {}, folder)

    def call(mark):
        with pytest.raises(Begun):
            training.train(run, Config({'train_dataloader': {}}), mark, '    bn, seed 0')

    call.folder = folder
    return call


def contents(folder):
    files = [path for path in folder.iterdir() if path.name not in ('demo_run.json', 'console.log')]
    return {path.name: path.read_text() for path in files}


def put(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f'{name}.pth').write_text(text)


def test_a_training_of_another_command_is_refused_and_kept(begin):
    put(begin.folder, iter_100='hours', iter_200='more hours')
    with pytest.raises(UserError, match=rf'{re.escape(str(begin.folder))} has files \(iter_100.pth, iter_200.pth\)'):
        begin('mark')
    assert contents(begin.folder) == {'iter_100.pth': 'hours', 'iter_200.pth': 'more hours'}
    assert not (begin.folder / 'demo_run.json').exists()


def test_the_refusal_is_a_line_with_status_2(begin, capsys):
    put(begin.folder, iter_100='hours')

    def main(args):
        with processor_time(begin.folder / 'processor.json'):  # as the study on photographs does
            begin('mark')

    assert run_tool(main, None) == 2
    assert 'move that folder, or give another one' in capsys.readouterr().err
    assert contents(begin.folder) == {'iter_100.pth': 'hours'}


def test_what_only_logs_or_was_cut_short_is_in_nobodys_way(begin):
    begin.folder.mkdir(parents=True)
    (begin.folder / 'console.log').write_text('of an examination before the training\n')
    (begin.folder / '.demo_run.1234.part.json').write_text('{"finger')
    begin('mark')
    assert json.loads((begin.folder / 'demo_run.json').read_text())['fingerprint'] == 'mark'
    assert (begin.folder / 'console.log').read_text().startswith('of an examination')


def test_what_was_trained_otherwise_is_moved_aside_and_said(begin, capsys):
    begin('one')
    put(begin.folder, iter_100='of one')
    begin('one')
    assert contents(begin.folder) == {'iter_100.pth': 'of one'} and not capsys.readouterr().out.count('anew')
    begin('two')
    aside = begin.folder.with_name('bn_seed0.before')
    assert capsys.readouterr().out.splitlines()[-1] == (
        f'    bn, seed 0 begins anew: settings or code have changed. Its training until now is in {aside}, '
        'which nothing reads: delete it when you like'
    )
    assert contents(begin.folder) == {} and contents(aside) == {'iter_100.pth': 'of one'}
    put(begin.folder, iter_100='of two')
    begin('one')
    assert contents(begin.folder) == {} and contents(aside) == {'iter_100.pth': 'of one'}
    assert contents(begin.folder.with_name('bn_seed0.before2')) == {'iter_100.pth': 'of two'}
