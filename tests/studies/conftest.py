"""Trainings of these tests are short; the demo, made small."""

from importlib import import_module

import pytest

from sw_mmseg.running.command_line import run_tool

TINY = (
    *('--images', 4, '--test-images', 2, '--size', '64x32'),
    *('--rows', 'bn', 'in', '--all', '--jobs', 1, '--pictures', 2),
)


@pytest.fixture(scope='session', autouse=True)
def _short(short_trainings):
    """Trainings that a module prepares once, too."""


@pytest.fixture
def demo(tmp_path, monkeypatch, one_thread):
    """`demo(...)` runs the demo in `tmp_path` and returns its exit status; `demo.words(...)` is its command line."""
    monkeypatch.chdir(tmp_path)
    tool = import_module('sw_mmseg.commands.demo')

    places = ('--work-dir', tmp_path / 'demo', '--data', tmp_path / 'data')

    def words(*more):
        return [str(word) for word in (*places, *TINY, *more)]

    def run(*more):
        return run_tool(tool.main, tool.parse_arguments(words(*more)))

    run.words = words
    run.tool = tool
    return run
