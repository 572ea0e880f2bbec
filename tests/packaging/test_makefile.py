"""The two commands of the Makefile: what each sets up, and that the demo lives on its share."""

from __future__ import annotations

import configparser
import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.helpers.absent import without
from tests.helpers.tiny_demo import TINY_DEMO

ROOT = Path(__file__).resolve().parents[2]


def recipe(target: str) -> str:
    """What make would run on a fresh checkout for a target, without running it."""
    words = ['make', '--dry-run', target, 'VENV=not-there', 'PYTHON=python3']
    return subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_the_demo_sets_up_less_than_tests_do():
    demo, test = recipe('demo'), recipe('test')
    assert re.findall(r"--editable '(.*)'", demo) == ['.[weights]']
    assert re.findall(r"--editable '(.*)'", test) == ['.[weights]', '.[dev]']
    assert 'touch not-there/.installed' in demo and 'touch not-there/.developed' not in demo
    assert 'touch not-there/.developed' in test and 'pytest' in test


def packages_of(extra: str) -> set[str]:
    """Names of all packages that the package brings with an extra, those of the packages included."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / 'setup.cfg')
    lines = setup['options']['install_requires'] + setup['options.extras_require'][extra]
    left = [Requirement(line) for line in lines.split('\n') if line]
    seen: set[tuple] = set()
    while left:
        needed = left.pop()
        key = (needed.name.lower().replace('_', '-'), frozenset(needed.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            more = importlib.metadata.requires(needed.name) or []
        except importlib.metadata.PackageNotFoundError:  # of another platform
            continue
        extras = {'', *needed.extras}
        left += [
            r for r in map(Requirement, more) if not r.marker or any(r.marker.evaluate({'extra': e}) for e in extras)
        ]
    return {name for name, _ in seen}


def test_the_demo_needs_less_than_half_of_the_packages():
    assert 40 < len(packages_of('weights')) < len(packages_of('dev')) / 2


@pytest.mark.slow
def test_the_demo_runs_with_its_packages_alone(tmp_path):
    """Modules of all other packages of this environment cannot be imported."""
    owners = importlib.metadata.packages_distributions()
    needed = packages_of('weights') | {'sw-mmseg', 'pip', 'setuptools', 'opencv-python-headless'}
    foreign = {
        module
        for module, names in owners.items()
        if not needed & {name.lower().replace('_', '-') for name in names} and module not in sys.stdlib_module_names
    }
    assert {'gradio', 'onnx', 'mmdet', 'mmpretrain', 'pytest'} <= foreign and 'mmseg' not in foreign
    (tmp_path / 'sitecustomize.py').write_text(without(*foreign))
    words = [sys.executable, ROOT / 'tools/demo.py', '--work-dir', 'demo', '--data', 'demo/data', *TINY_DEMO]
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    subprocess.run(words, cwd=tmp_path, check=True, env={**os.environ, 'PYTHONPATH': path}, timeout=500)
    assert (tmp_path / 'demo/report.html').stat().st_size > 0
