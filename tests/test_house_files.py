"""Rules of the house for each file: lengths, docstrings, `__all__`, silence; test_house.py has those of imports."""

import ast
import re
from pathlib import Path

from tests.helpers.source_files import LIBRARY, PACKAGE, REPOSITORY, imported, parsed, python_files


def test_tools_are_thin():
    files = [file for file in sorted((REPOSITORY / 'tools').rglob('*')) if file.suffix in ('.py', '.sh')]
    lengths = {file: len(file.read_text().splitlines()) for file in files}
    assert len(files) > 40 and sum(lengths.values()) < 900
    assert all(length <= 20 for file, length in lengths.items() if file.suffix == '.py')


def test_there_are_at_most_80_configs():
    """Another norm or network of a config is an option; a file is a row of the paper or a starting point."""
    assert 0 < len(list((REPOSITORY / 'configs').glob('*.py'))) <= 80


def test_no_config_reads_the_environment():
    for file in python_files('configs'):
        assert not re.search(r'\benviron\b|\bgetenv\b|\{\{\s*\$', file.read_text()), f'{file} reads the environment'


def without_docstring(function):
    """The statements of a function's body; what a signature and a docstring take is not held against it."""
    return function.body[ast.get_docstring(function) is not None :]


def test_files_and_functions_keep_their_lengths():
    for file in [*python_files('sw_mmseg', 'tools', 'tests', 'configs'), *PACKAGE.rglob('*.c'), *PACKAGE.rglob('*.h')]:
        assert len(file.read_text().splitlines()) <= 250, f'{file}: a file has at most 250 lines'
    for file in python_files('sw_mmseg', 'tools'):
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.FunctionDef) and (body := without_docstring(node)):
                length = node.end_lineno - body[0].lineno + 1
                assert length <= 40, f'{file}: {node.name} has {length} lines, the body of a function has at most 40'


def test_every_module_says_what_it_is_and_what_it_offers():
    for file in python_files('sw_mmseg', 'tools'):
        assert ast.get_docstring(parsed(file)), f'{file} opens with no docstring'
    for file in python_files('sw_mmseg'):
        if 'commands' in file.parts and file.name != '__init__.py' or file.name == '__main__.py':
            continue  # a command offers parse_arguments and main
        tree = parsed(file)
        offered = [
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == '__all__' for target in node.targets)
        ]
        assert offered, f'{file} has no __all__'
        defined = {
            name.id
            for node in ast.walk(tree)
            for name in [node]
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
        }
        defined |= {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        defined |= {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        }
        if file.name == '__init__.py':
            defined |= {path.stem for path in file.parent.iterdir()}
        if '__getattr__' not in defined:
            assert set(offered[0]) <= defined, f'{file}: __all__ names what is not there'


def test_the_library_is_silent():
    for file in python_files(*(f'sw_mmseg/{package}' for package in LIBRARY)):
        for node in ast.walk(parsed(file)):
            called = node.func if isinstance(node, ast.Call) else None
            assert not (isinstance(called, ast.Name) and called.id == 'print'), f'{file} prints'
            assert not (isinstance(called, ast.Attribute) and called.attr == 'cuda'), f'{file} calls .cuda()'


def test_no_star_imports_and_no_import_by_path():
    here = Path(__file__).resolve()
    for file in python_files('sw_mmseg', 'tools', 'tests'):
        text = file.read_text()
        assert not any(name.endswith('.*') for name in imported(file)), file
        if file != here:
            for way in ('sys.path.insert', 'sys.path.append', 'syspath_prepend', 'spec_from_file_location'):
                assert way not in text, f'{file} imports by path'


def test_images_are_read_by_the_data_sets_readers_alone():
    """Decoders drop bits, bands and turns without a word; only readers in `datasets` know what each leaves out."""
    decoders = {'imread', 'imdecode', 'imfrombytes', 'imreadmulti'}
    for file in python_files('sw_mmseg', 'tools'):
        calls = {node.attr for node in ast.walk(parsed(file)) if isinstance(node, ast.Attribute)}
        names = {name.rpartition('.')[2] for name in imported(file)}
        assert 'datasets' in file.parts or not (calls | names) & decoders, f'{file} decodes images by itself'


def test_files_are_read_as_data():
    """What reads pickles that may call anything stands in the seam, behind an option, or makes them harmless."""
    harmless = {PACKAGE / 'models/weights_file.py'}
    readers = {file for file in python_files('sw_mmseg') if 'weights_only=False' in file.read_text()}
    assert readers == harmless
    for file in python_files('sw_mmseg'):
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ('torch.load', 'pickle.load', 'pickle.loads'):
                assert 'weights_only' in {keyword.arg for keyword in node.keywords}, f'{file} loads what may be code'
