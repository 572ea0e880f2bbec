"""Processes started by the scripts that users start, and tools called in the test's own."""

import os
import signal
import socket
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def unused_port():
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return server.getsockname()[1]


@pytest.fixture(scope='module')
def start():
    """`start('tools/dist_train.sh', ...)` -> the running processes, in a session of their own."""
    started = []

    def begin(script, *words, port=None, **variables):
        port = port or unused_port()
        environment = {
            **os.environ,
            'OMP_NUM_THREADS': '1',
            'CUDA_VISIBLE_DEVICES': '',
            'PYTHON': sys.executable,
            'PYTHONPATH': str(REPOSITORY),
            'PORT': str(port),
            **variables,
        }
        started.append(
            subprocess.Popen(
                [script, *map(str, words)],
                cwd=REPOSITORY,
                env=environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        )
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope='module')
def alone():
    """`alone('train', CONFIG, ...)` -> exit status of a tool in this process."""

    from sw_mmseg.running.command_line import run_tool  # slow to import, which not every test needs

    def call(name, *words):
        tool = import_module(f'sw_mmseg.commands.{name}')
        return run_tool(tool.main, tool.parse_arguments([str(word) for word in words]))

    return call


def wait_for(folder, rank, iterations, process, seconds=180):
    """The process id of a rank, once it has done so many iterations."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        file = folder / f'process_{rank}'
        words = file.read_text().split() if file.is_file() else []
        if len(words) == 2 and int(words[1]) >= iterations:
            return int(words[0])
        time.sleep(0.1)
    raise AssertionError(f'no iteration {iterations} of rank {rank}: {process.communicate(timeout=9)[0][-3000:]}')


def alive(number):
    """Whether a process of this number runs; one that has ended and is waited for by nobody does not."""
    try:
        with open(f'/proc/{number}/stat') as file:
            return file.read().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False
