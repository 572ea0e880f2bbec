"""The scripts that measure all of docs/speed.md: every command line of theirs is one that its command takes."""

import os
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / 'tools' / 'benchmark'
PARTS = {
    'gpu_session': {'equality', 'kernels', 'host_cost', 'network_step', 'config_cost'},
    'cpu_session': {'norm_layer', 'host_cost', 'network_step'},
}
STAND_IN = """#!/usr/bin/env bash
echo "$@" >>"$CALLS"
[[ " $* " != *" $FAILS "* ]]
"""


def calls_of(session, folder, fails=''):
    """The words of each call of Python, and how the script ended; a part whose words have `fails` fails."""
    python, calls = folder / 'python', folder / 'calls'
    python.write_text(STAND_IN)
    python.chmod(0o755)
    words = ['bash', str(FOLDER / f'{session}.sh'), str(folder / 'tables'), str(python)]
    ended = subprocess.run(
        words, env={**os.environ, 'CALLS': str(calls), 'FAILS': fails}, capture_output=True, text=True, timeout=60
    )
    return [line.split() for line in calls.read_text().splitlines()], ended


@pytest.mark.parametrize('session', PARTS)
def test_commands_take_their_words(session, tmp_path, one_thread):
    calls, ended = calls_of(session, tmp_path)
    assert ended.returncode == 0 and ' 0 parts failed' in ended.stdout
    names = [Path(script).stem for script, *_ in calls]
    assert set(names) == PARTS[session]
    tables = set()
    for name, (script, *words) in zip(names, calls, strict=True):
        assert (FOLDER.parents[1] / script).is_file()
        # the device is another machine's, and graphs are that device's alone
        words = ['cpu' if word == 'cuda' else word for word in words if word != '--graph']
        args = import_module(f'sw_mmseg.commands.benchmark.{name}').parse_arguments(words)
        tables.add(args.markdown)
    assert len(tables) == len(calls) and all(table.parent == tmp_path / 'tables' for table in tables)


def test_a_part_that_fails_leaves_the_others(tmp_path):
    calls, ended = calls_of('cpu_session', tmp_path, fails='--dtypes')
    assert ended.returncode == 1 and 'layers.log' in ended.stdout and ' 1 parts failed' in ended.stdout
    assert len(calls) == 5


def test_a_wrong_layer_ends_the_session_on_a_gpu(tmp_path):
    calls, ended = calls_of('gpu_session', tmp_path, fails='tools/benchmark/equality.py')
    assert ended.returncode == 1 and len(calls) == 1
