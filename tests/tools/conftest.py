"""Tools are scripts, not a package: load one by its file."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = REPOSITORY / 'tools'


@pytest.fixture
def load_tool(monkeypatch):
    """`load_tool('train')` -> the module of tools/train.py."""
    monkeypatch.syspath_prepend(str(TOOLS))

    def load(name):
        spec = importlib.util.spec_from_file_location(f'tool_{Path(name).name}', TOOLS / f'{name}.py')
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope='session')
def call():
    """`call('tools/train.py', ...)` as a user would in the repository -> the finished process, with text output."""
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': '', 'PYTHON': sys.executable}

    def run(*words, timeout=240):
        words = [str(w) for w in words]
        program = [] if words[0].endswith('.sh') else [sys.executable]
        return subprocess.run([*program, *words], cwd=REPOSITORY, env=environment, text=True, capture_output=True,
                              timeout=timeout)

    return run
