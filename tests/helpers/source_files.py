"""The repository's Python files as the tests of the house read them."""

import ast
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / 'sw_mmseg'
LIBRARY = ('whitening', 'openmmlab', 'datasets', 'models', 'losses', 'adaptation', 'stylization', 'engine', 'analysis')


def python_files(*folders):
    files = [
        file for folder in folders for file in sorted((REPOSITORY / folder).rglob('*.py')) if '.mim' not in file.parts
    ]
    assert files
    return files


def parsed(file):
    return ast.parse(file.read_text(), str(file))


def imported(file):
    """Full names of the modules and names that a file imports."""
    parts = list(file.relative_to(REPOSITORY).with_suffix('').parts)
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(parts[: len(parts) - node.level]) if node.level else ''
            origin = '.'.join(filter(None, (base, node.module)))
            yield from (f'{origin}.{alias.name}' for alias in node.names)
