"""Every command that a document tells to type: its tool, flags, configs, make targets and extras exist."""

from __future__ import annotations

import configparser
import importlib
import re

import pytest

from sw_mmseg.commands import names
from tests.helpers.documents import GUIDES, PAGES, blocks, commands, inline_commands, name
from tests.helpers.guide_runs import NOT_RUN, small, stands_for
from tests.helpers.source_files import REPOSITORY

PYTHON = re.compile(r'(\.venv/bin/)?python3?(\.\d+)?')
DISTRIBUTED = {'dist_train': ('train', 2), 'dist_test': ('test', 3), 'slurm_train': ('train', 4)}
OTHERS = {'cd', 'echo', 'export', 'git', 'source', 'wait', 'wget'}  # what they do is not of this project
WRITTEN = {'N': '1', 'cuda': 'cpu'}  # a word that stands for any number; a device that is not everywhere


def parse(command, words):
    """The command's own parser takes the words, and every config among them is a file."""
    module = importlib.import_module(f'sw_mmseg.commands.{command.replace(" ", ".")}')
    module.parse_arguments([WRITTEN.get(word, word) for word in words])
    for word in words:
        if re.fullmatch(r'configs/\S+\.py', word):
            assert (REPOSITORY / word).is_file(), f'no config {word}'


def check_tool(path, words):
    """tools/NAME.py or tools/NAME.sh with these words."""
    assert (REPOSITORY / path).is_file(), f'no {path}'
    command = ' '.join(path.removeprefix('tools/').rpartition('.')[0].split('/'))
    if words and command in DISTRIBUTED:
        command, places = DISTRIBUTED[command]
        assert len(words) >= places, f'{path} takes {places} words'
        config = next(word for word in words if word == 'CONFIG' or word.startswith('configs/'))
        checkpoint = [words[1]] if command == 'test' else []
        words = [config, *checkpoint, *words[places:]]
    if words:
        parse(command, words)


def check_make(words):
    text = (REPOSITORY / 'Makefile').read_text()
    for word in words:
        if '=' not in word:
            assert re.search(rf'^{re.escape(word)}( .*)?:', text, re.MULTILINE), f'no target {word}'


def check_pip(words):
    """Extras of this project exist; what else is installed, with which options, is pip's."""
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / 'setup.cfg')
    for word in words:
        for extra in re.findall(r'^\.\[(.+)\]$', word):
            assert set(extra.split(',')) <= set(setup['options.extras_require']), f'no extra {extra}'


def check_entry(words):
    """sw-mmseg NAME, and what follows."""
    if words in ([], ['--help']):
        return
    command = next(' '.join(words[:count]) for count in (2, 1) if ' '.join(words[:count]) in names())
    if len(words) > len(command.split()):
        parse(command, words[len(command.split()) :])


def check_python(words):
    """A tool, a module or a line of code."""
    if words[:1] == ['-m']:
        CHECKS.get(words[1].replace('_', '-'), lambda _: importlib.import_module(words[1]))(words[2:])
    elif words[:1] == ['-c']:
        compile(words[1], 'command', 'exec')
    elif words:
        check_tool(words[0], words[1:])


CHECKS = {'sw-mmseg': check_entry, 'make': check_make, 'pip': check_pip}


def check(words):
    while words and re.fullmatch(r'\w+=\S*', words[0]):  # environment
        words = words[1:]
    if not words:
        return
    program, *arguments = words
    if PYTHON.fullmatch(program):
        check_python(arguments)
    elif program.startswith('tools/'):
        check_tool(program, arguments)
    elif program in CHECKS:
        CHECKS[program](arguments)
    else:
        assert program in OTHERS or program.startswith('.venv/bin/'), f'{program} is no program of this project'


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_commands_are_those_there_are(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for words in [*commands(page), *inline_commands(page)]:
        try:
            check(words)
        except SystemExit as error:
            if 'has no results' in capsys.readouterr().err:  # of a folder that the command before it fills
                continue
            raise AssertionError(f'{" ".join(words)}: its parser refuses it') from error
        except (AssertionError, ImportError, StopIteration) as error:
            raise AssertionError(f'{" ".join(words)}: {error}') from error


def test_what_guides_type_is_made_small_by_options_that_there_are(tmp_path, monkeypatch):
    """As tests/packaging/test_typed_guides.py runs it; what it leaves out is still in a guide."""
    monkeypatch.chdir(tmp_path)
    typed = {' '.join(words): words for page in GUIDES for words in commands(page)}
    assert set(NOT_RUN) <= set(typed)
    run = [words for text, words in typed.items() if text not in NOT_RUN]
    assert len(run) > 25
    for words in run:
        check(small(stands_for(words, tmp_path / 'folders', tmp_path / 'trained')))


def test_python_tools_are_started_with_python():
    """They are no programs by themselves."""
    for page in PAGES:
        for block in blocks(page, 'bash'):
            assert not re.findall(r'^\s*(?:\w+=\S+ )*tools/\S+\.py', block, re.MULTILINE), name(page)


def test_there_are_commands():
    assert sum(len(list(commands(page))) for page in GUIDES) > 40
    assert sum(len([*commands(page), *inline_commands(page)]) for page in PAGES) > 150


@pytest.mark.parametrize(
    'words',
    [
        ['python', 'tools/trian.py', 'configs/bn_fcn_ade20k.py'],
        ['python', 'tools/train.py', 'configs/bn_fcn_ade20k.py', '--nrom', 'sw'],
        ['tools/dist_train.sh', 'configs/nothing.py', '4'],
        ['make', 'demmo'],
        ['pip', 'install', '.[wieghts]'],
        ['conda', 'install', 'x'],
    ],
    ids=' '.join,
)
def test_what_is_not_there_is_seen(words, capsys):
    with pytest.raises((AssertionError, SystemExit)):
        check(words)
