"""`mmcv._ext`, mmcv's compiled operators, where they are not installed: mmdet then needs no compiler.

A finder at the end of `sys.meta_path` makes the stand-in, so that a compiled extension always comes first, and so that
nothing happens before something imports `mmcv.ops`, which segmentation never does. An operator that the stand-in does
not have raises an error when it is called, never when it is imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType

from sw_mmseg.openmmlab.change import Change, Replacements
from sw_mmseg.openmmlab.operators import OPERATORS, WAY_OUT, MissingOperatorError

__all__ = ['EXTENSION', 'EXTENSION_CHANGES', 'StandIn']

EXTENSION = 'mmcv._ext'
_REFUSALS = Replacements()  # of mmdet's modules


class StandIn(ModuleType):
    """A module that has every operator: those that were put into it, and a refusal by any other name."""

    def __getattr__(self, name: str) -> Callable:
        if name.startswith('_'):
            raise AttributeError(f'module {self.__name__!r} has no attribute {name!r}')

        def refuse(*args, **kwargs):
            raise MissingOperatorError(f'{name} {WAY_OUT}.')

        return refuse


class _Finder(Loader):
    """Makes the stand-in; last in `sys.meta_path`, so asked only when nobody else has the extension."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(name, self, origin=__file__) if name == EXTENSION else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return StandIn(spec.name, __doc__)

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update({operator.__name__: operator for operator in OPERATORS})


def is_missing() -> bool:
    """Whether mmcv is installed without its compiled operators."""
    if EXTENSION in sys.modules:  # a module that somebody else put there need not have a spec
        return isinstance(sys.modules[EXTENSION], StandIn)
    spec = importlib.util.find_spec(EXTENSION)
    return spec is None or isinstance(spec.loader, _Finder)


def import_mmseg() -> None:
    """Imports mmseg's models without the stand-in, or, where they cannot be imported without operators, with it."""
    kept_out = sys.modules.setdefault('mmdet', None) is None  # type: ignore[arg-type]
    try:
        importlib.import_module('mmseg.models')
    except ModuleNotFoundError as error:
        if error.name != EXTENSION:
            raise
        serve()
        importlib.import_module('mmseg.models')
    finally:
        if kept_out:
            del sys.modules['mmdet']


def serve() -> None:
    """From now on, importing `mmcv._ext` gives the stand-in where there is no extension."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


def withdraw() -> None:
    """No longer. `mmcv.ops`, if it was imported meanwhile, keeps the stand-in that it got."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    if isinstance(sys.modules.get(EXTENSION), StandIn):
        del sys.modules[EXTENSION]
        vars(sys.modules['mmcv']).pop('_ext', None)


def refusals() -> list[tuple[ModuleType, str, str]]:
    """What mmdet's modules hold where mmcv had no operators: module, name in it, name of mmcv's operator."""
    operators = importlib.import_module('mmcv.ops')
    modules = [module for name, module in sys.modules.items() if name.startswith('mmdet.') and module]
    return [
        (module, name, name.removeprefix('_'))
        for module in modules
        for name, value in vars(module).items()
        if name.removeprefix('_') in operators.__all__ and _refuses(value)
    ]


def _refuses(value: object) -> bool:
    """Whether it is one of mmdet's functions and classes that only say what is missing."""
    function = vars(value).get('__init__') if isinstance(value, type) else value
    code = getattr(function, '__code__', None)
    return code is not None and any('requires mmcv to be compiled' in str(text) for text in code.co_consts)


def is_half_imported() -> bool:
    """Whether parts of mmdet were imported before the stand-in was there."""
    if not is_missing() or not any(name.startswith(('mmdet.models.', 'mmdet.structures.')) for name in sys.modules):
        return False
    try:
        return bool(refusals())
    except ModuleNotFoundError:  # there is no stand-in yet
        return True


def mend_mmdet() -> None:
    """Puts mmcv's functions in the place of the refusals that mmdet's modules hold, and imports the rest of it."""
    operators = importlib.import_module('mmcv.ops')
    for module, name, operator in refusals():
        _REFUSALS.replace(module, name, getattr(operators, operator))
    importlib.import_module('mmdet.models')


EXTENSION_CHANGES = (
    Change(
        name='mmseg without operators',
        effect='mmseg.models is imported while mmdet counts as not installed, and after the stand-in where that fails',
        reason='two heads of mmseg try mmdet, of which half can be imported without operators; and mmsegmentation 1.2 '
        'itself cannot be imported without mmcv._ext',
        package='mmsegmentation',
        versions='1.2 (cannot do without) and 1.4 (tries mmdet)',
        apply=import_mmseg,
        needed=is_missing,
    ),
    Change(
        name='mmcv._ext',
        effect='a finder in sys.meta_path makes a stand-in for mmcv._ext, with three operators of torchvision',
        reason='mmdet imports mmcv.ops, whose import fails where mmcv was not compiled',
        package='mmcv',
        versions='2.1 to 2.3, installed without operators',
        apply=serve,
        undo=withdraw,
        needed=is_missing,
    ),
    Change(
        name='half of mmdet',
        effect="modules of mmdet that were imported before hold mmcv's functions instead of refusals by their names",
        reason='mmdet replaces operators that it cannot import by functions that raise, for good',
        package='mmdetection',
        versions='3.5, imported before register(); 3.3 is imported whole or not at all',
        apply=mend_mmdet,
        undo=_REFUSALS.restore,
        needed=is_half_imported,
    ),
)
