"""Where the cases of this folder run: on a CUDA device, and everywhere in Triton's interpreter.

The interpreter is chosen when triton is first imported, and tests of compilation need a triton without it. So cases of
the interpreter run in a process of their own, one for all that were chosen of a file, and each of them is a test here
that has the outcome of its namesake there. One that did not run there fails here.
"""

import collections
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

_OUTCOMES = pytest.StashKey[dict]()
INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'
RESULTS = 'SW_MMSEG_TRITON_RESULTS'  # in the other process: the file for its outcomes

collect_ignore_glob = [] if importlib.util.find_spec('triton') else ['test_*.py']  # this torch comes without Triton


def pytest_generate_tests(metafunc):
    if 'device' in metafunc.fixturenames:
        cuda = [] if INTERPRETED or not torch.cuda.is_available() else ['cuda']
        metafunc.parametrize('device', ['interpreter', *cuda], indirect=True)


@pytest.fixture
def device(request):
    """Where tensors of the case are made and computed."""
    with torch.device('cuda') if request.param == 'cuda' else contextlib.nullcontext():
        yield request.param


@pytest.fixture(autouse=INTERPRETED)
def tensor_cores(monkeypatch):
    """Makes the interpreter's products lose what a tensor core drops of their operands: all but 10 bits of mantissa."""
    from triton._C.libtriton import ir
    from triton.runtime import interpreter

    exact = interpreter.InterpreterBuilder.create_dot

    def create_dot(self, a, b, total, precision, *options):
        if precision == ir.INPUT_PRECISION.TF32:
            assert a.data.dtype == b.data.dtype == 'float32'
            a, b = (interpreter.TensorHandle((v.data.view('int32') & -0x2000).view('float32'), v.dtype) for v in (a, b))
        return exact(self, a, b, total, precision, *options)

    monkeypatch.setattr(interpreter.InterpreterBuilder, 'create_dot', create_dot)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    parameters = pyfuncitem.callspec.params if hasattr(pyfuncitem, 'callspec') else {}
    if INTERPRETED or parameters.get('device') != 'interpreter':
        return None
    outcome, text = _outcomes(pyfuncitem.session, pyfuncitem.path)[_name(pyfuncitem.nodeid)]
    if outcome != 'passed':
        pytest.fail(text or f'{outcome} in the interpreter', pytrace=False)
    return True


def pytest_runtest_logreport(report):
    if RESULTS in os.environ and INTERPRETED and (report.when == 'call' or report.outcome != 'passed'):
        with open(os.environ[RESULTS], 'a') as file:
            file.write(json.dumps([_name(report.nodeid), report.outcome, report.longreprtext]) + '\n')


def _name(nodeid):
    return nodeid.partition('::')[2]


def _outcomes(session, path):
    """Name of a case -> outcome and report, of all chosen cases of a file."""
    by_file = session.stash.setdefault(_OUTCOMES, {})
    if path not in by_file:
        by_file[path] = _run(session, path)
    return by_file[path]


def _run(session, path):
    cases = [
        f'{path}::{_name(item.nodeid)}'
        for item in session.items
        if item.path == path and 'device' in item.fixturenames and item.callspec.params['device'] == 'interpreter'
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith('PYTEST_')}
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, 'results')
        results.touch()
        environment |= {'TRITON_INTERPRET': '1', RESULTS: str(results)}
        command = [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-o', 'addopts=', *cases]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        lines = [json.loads(line) for line in results.read_text().splitlines()]
    outcomes = {name: (outcome, text) for name, outcome, text in lines}
    missing = 'not run', f'did not run in the interpreter:\n{done.stdout[-4000:]}{done.stderr[-4000:]}'
    return collections.defaultdict(lambda: missing, outcomes)
