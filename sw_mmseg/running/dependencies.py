"""The code that a result depends on, computed from the imports: what a fingerprint is made of.

Starting from functions of a study and from the registered types that a config names, every name is followed to its
definition. In the packages that compute (`WHOLE`) a module counts whole, with all that it imports; whitening counts
whole, C included, since it chooses its backends at run time. In the packages that only run, draw and report, a
definition counts alone, so that another colour in a plot makes no result out of date. Comments, docstrings, annotations
and the texts of errors do not count anywhere.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import mmengine.registry
from mmengine.registry import Registry

import sw_mmseg
from sw_mmseg.running.config_nodes import config_dicts

__all__ = ['dependencies', 'digest_of_code', 'registered_modules', 'types_in']

PACKAGE = Path(sw_mmseg.__file__).resolve().parent
WHOLE = ('adaptation', 'datasets', 'engine', 'losses', 'models', 'openmmlab', 'stylization')
WHITENING = 'sw_mmseg.whitening'
ALL = '*'  # in place of a definition's name: the whole module
Definition = tuple[str, str]  # module, name


class Source:
    """A module of the package, parsed: its top-level definitions, and where the names that it imports come from."""

    def __init__(self, name: str, file: Path) -> None:
        self.name, self.is_package = name, file.name == '__init__.py'
        self.tree = ast.parse(file.read_text())
        self.definitions: dict[str, ast.stmt] = {}
        for node in self.tree.body:
            for defined in _names_defined(node):
                self.definitions[defined] = node
        self.imports = dict(self.imported(self.tree))

    def imported(self, node: ast.AST) -> Iterator[tuple[str, Definition]]:
        """Local name -> (module, name there, '' for the module itself), of every import of the package below `node`."""
        for child in ast.walk(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield alias.asname or alias.name, (alias.name, '')
            elif isinstance(child, ast.ImportFrom):
                origin = child.module or ''
                if child.level:
                    parts = self.name.split('.')
                    base = parts[: len(parts) - child.level + self.is_package]
                    origin = '.'.join([*base, *([child.module] if child.module else [])])
                for alias in child.names:
                    yield alias.asname or alias.name, (origin, alias.name)


def _names_defined(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return set()
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, 'target', node)]
    return {
        child.id
        for target in targets
        for child in ast.walk(target)
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)
    }


@functools.cache
def source_of(module: str) -> Source | None:
    """The parsed module, or None where the package has none of that name."""
    parts = module.split('.')
    if parts[0] != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*parts[1:])
    for file in (path.with_suffix('.py'), path / '__init__.py'):
        if file.is_file() and len(parts) > 1:
            return Source(module, file)
    return None


def dependencies(entries: Iterable[Definition]) -> set[Definition]:
    """All (module, name) that `entries` reach, themselves included; a name of '*' is the whole module."""
    waiting, reached = list(entries), set()
    while waiting:
        module, name = _resolved(*waiting.pop())
        source = source_of(module)
        if source is None:
            continue
        if module.startswith(WHITENING):
            module, name = WHITENING, ALL
        elif module.split('.')[1] in WHOLE:
            name = ALL
        if (module, name) in reached:
            continue
        reached.add((module, name))
        if module != WHITENING:
            waiting += _used(source, name)
    return reached


def _resolved(module: str, name: str) -> Definition:
    """Where a name is defined, followed through the packages that pass it on."""
    if name and source_of(f'{module}.{name}') is not None:
        return f'{module}.{name}', ALL
    source = source_of(module)
    if source is None or name in ('', ALL) or name in source.definitions:
        return module, name or ALL
    return _resolved(*source.imports[name]) if name in source.imports else (module, ALL)


def _used(source: Source, name: str) -> Iterator[Definition]:
    """What a definition, or a whole module, refers to in the package."""
    node: ast.AST = source.tree if name == ALL else source.definitions[name]
    if name == ALL and source.is_package:
        return  # a package passes names on: who imports one of them is led to its module
    names = source.imports | dict(source.imported(node))
    if name == ALL:
        yield from names.values()
    for child in ast.walk(node):
        if isinstance(child, ast.Attribute) and isinstance(child.value, ast.Name) and child.value.id in names:
            module, attribute = names[child.value.id]
            yield (f'{module}.{attribute}' if attribute else module), child.attr
        elif isinstance(child, ast.Name) and name != ALL:
            if child.id in source.definitions:
                yield source.name, child.id
            elif child.id in names and source_of('.'.join(filter(None, names[child.id]))) is None:
                yield names[child.id]
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield from ((module, ALL) for module in registered_modules().get(child.value, ()))


@functools.cache
def registered_modules() -> dict[str, frozenset[str]]:
    """Name in any OpenMMLab registry -> the package's modules that registered a class under it.

    All that register one are imported first: what had been imported before must not change a fingerprint.
    """
    for file in sorted(PACKAGE.rglob('*.py')):
        if '.register_module(' in file.read_text():
            importlib.import_module('.'.join((PACKAGE.name, *file.relative_to(PACKAGE).with_suffix('').parts)))
    registrations: dict[str, set[str]] = {}
    waiting = [value for value in vars(mmengine.registry).values() if isinstance(value, Registry)]
    while waiting:
        registry = waiting.pop()
        waiting += registry.children.values()
        for name, registered in registry.module_dict.items():
            if str(getattr(registered, '__module__', '')).startswith(f'{PACKAGE.name}.'):
                registrations.setdefault(name, set()).add(registered.__module__)
    return {name: frozenset(modules) for name, modules in registrations.items()}


def types_in(node: object) -> set[str]:
    """Every `type` below a config's node."""
    return {part['type'] for part in config_dicts(node) if isinstance(part.get('type'), str)}


class _Plain(ast.NodeTransformer):
    """Leaves out what no number depends on: docstrings, annotations, texts of errors."""

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.Raise()

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        plain = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return ast.Pass() if plain else self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(node.arg)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)


@functools.cache
def _text(module: str, name: str) -> str:
    if module == WHITENING:
        files = [file for file in sorted((PACKAGE / 'whitening').rglob('*')) if file.suffix in ('.py', '.c', '.h')]
        return '\n'.join(_plain(file.read_text()) if file.suffix == '.py' else file.read_text() for file in files)
    source = source_of(module)
    return _plain(ast.unparse(source.tree if name == ALL else source.definitions[name]))


def _plain(text: str) -> str:
    return ast.dump(_Plain().visit(ast.parse(text)))


@functools.cache
def digest_of_code(entries: frozenset[Definition]) -> str:
    """Changes with any code that `entries` reach."""
    digest = hashlib.sha256()
    for module, name in sorted(dependencies(entries)):
        digest.update(f'{module} {name} {_text(module, name)}\n'.encode())
    return digest.hexdigest()
