"""Options of a config on the command line: what is printed can be typed."""

import argparse
import shlex
from pathlib import Path

import pytest

from sw_mmseg.running.option_words import OptionAction
from sw_mmseg.running.training import Run


def parsed(*words):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=OptionAction, default={})
    return parser.parse_args(['--cfg-options', *words]).cfg_options


def test_what_a_run_prints_is_read_as_it_was():
    options = {
        'param_scheduler.segmentor': [
            {'type': 'LinearLR', 'start_factor': 0.05, 'begin': 0, 'by_epoch': False},
            {'type': 'CosineRestartLR', 'periods': [54, 60], 'restart_weights': [1.0, 1.0]},
        ],
        'train_dataloader.dataset.source_style': {'type': 'FourierAmplitude', 'beta': 0.04},
        'model.shares': [0.5, 0.65],
        'load_from': 'work_dirs/demo/iter_300.pth',
        'train_cfg.max_iters': 120,
        'model.target_class_weights': False,
    }
    words = shlex.split(Run('bn', 'x', 0, 'c.py', options, Path('w')).settings())
    assert words[0] == '--cfg-options' and parsed(*words[1:]) == options


def test_words_of_mmengine_are_what_they_were():
    assert parsed('a=1', 'b=1e-3', 'c=[1,2]', 'd=(3,4)', 'e=True', 'f=x=y') == {
        'a': 1,
        'b': 1e-3,
        'c': [1, 2],
        'd': (3, 4),
        'e': True,
        'f': 'x=y',
    }


@pytest.mark.parametrize(('word', 'message'), [('a', 'a is no KEY=VALUE'), ("a={'b': dict()}", 'no Python literal')])
def test_what_is_neither_is_an_error(word, message, capsys):
    with pytest.raises(SystemExit):
        parsed(word)
    assert message in capsys.readouterr().err
