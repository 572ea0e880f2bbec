"""Every backend has the functions of the protocols, with the arguments and types of the protocols."""

import importlib
import importlib.util
import inspect

import pytest

from sw_mmseg.whitening.backends import base
from sw_mmseg.whitening.maths import Settings

BACKENDS = ['torch_backend', 'cpu.backend', 'triton.backend']


def functions(protocol):
    """Name -> arguments as (name, annotation), and the annotation of the result."""
    for name, function in inspect.getmembers(protocol, inspect.isfunction):
        if not name.startswith('_'):
            signature = inspect.signature(function)
            yield (
                name,
                [
                    (parameter.name, parameter.annotation)
                    for parameter in signature.parameters.values()
                    if parameter.name != 'self'
                ],
            )


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param.startswith('triton') and importlib.util.find_spec('triton') is None:
        pytest.skip('this torch comes without Triton')
    return importlib.import_module(f'sw_mmseg.whitening.backends.{request.param}')


def test_a_backend_keeps_the_protocols(backend):
    algebra = backend.algebra(Settings(('bw', 'iw'), 16, 1e-5, 'newton', 5))
    pairs = [(module, protocol) for module, protocol in ((backend, base.Backend), (algebra, base.Algebra))]
    compared = 0
    for module, protocol in pairs:
        for name, arguments in functions(protocol):
            parameters = inspect.signature(getattr(module, name)).parameters.values()
            assert [(parameter.name, parameter.annotation) for parameter in parameters] == arguments, name
            compared += 1
    assert compared == 12


def test_eigenvalues_are_torchs(backend):
    """No backend has an eigendecomposition of its own; with single channels there is none to have."""
    torchs = importlib.import_module('sw_mmseg.whitening.maths.algebra')
    assert backend.algebra(Settings(('bw',), 16, 1e-5, 'eigh', 5)) is torchs
    single = backend.algebra(Settings(('bn',), 1, 1e-5, 'eigh', 5))
    assert single is backend.algebra(Settings(('bn',), 1, 1e-5, 'newton', 5))
