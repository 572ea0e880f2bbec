"""Trainings of these tests are short; the demo, made small."""

from importlib import import_module

import pytest

from sw_mmseg.running.command_line import run_tool


@pytest.fixture(autouse=True)
def _short(short_trainings):
    """Until each test ends."""


@pytest.fixture
def demo(tmp_path, monkeypatch, one_thread):
    """`demo(...)` runs the demo in `tmp_path` and returns its exit status."""
    monkeypatch.chdir(tmp_path)
    tool = import_module('sw_mmseg.commands.demo')

    def run(*words):
        words = [
            '--work-dir',
            tmp_path / 'demo',
            '--data',
            tmp_path / 'data',
            '--images',
            4,
            '--test-images',
            2,
            '--size',
            '64x32',
            '--rows',
            'bn',
            'in',
            '--all',
            '--jobs',
            1,
            '--pictures',
            2,
            *words,
        ]
        return run_tool(tool.main, tool.parse_arguments([str(w) for w in words]))

    run.tool = tool
    return run
