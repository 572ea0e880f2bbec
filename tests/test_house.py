"""The rules of the house that a machine can keep: docs/architecture.md states them, this file checks them."""

import ast
import re
import sys

import pytest

from tests.helpers.source_files import LIBRARY, PACKAGE, REPOSITORY, imported, parsed, python_files

STDLIB = set(sys.stdlib_module_names)
MM = {'mmengine', 'mmcv', 'mmseg', 'mmdet', 'mmpretrain'}
# files beside the packages, which need nothing, any may import
FREE = {'__version__', '', 'files', 'domains', 'processes'}
# package -> the package's parts and others' packages that it may import, beside itself and the standard library
MAY_IMPORT = {
    'whitening': (set(), {'torch', 'triton'}),
    'openmmlab': ({'whitening', 'models'}, {'torch', 'torchvision', 'numpy', *MM}),
    'datasets': (
        set(),
        {
            'torch',
            'torchvision',
            'numpy',
            'cv2',
            'PIL',
            'sklearn',
            'pycocotools',
            'yaml',
            'tifffile',
            'tqdm',
            *MM - {'mmpretrain'},
        },
    ),
    'models': ({'whitening'}, {'torch', 'torchvision', 'timm', 'safetensors', 'numpy', *MM}),
    'losses': (set(), {'torch', 'mmengine', 'mmseg'}),
    'adaptation': ({'models', 'losses', 'openmmlab'}, {'torch', 'typing_extensions', 'mmengine', 'mmseg'}),
    'stylization': ({'whitening', 'datasets', 'models', 'losses'}, {'torch', 'numpy', 'PIL', 'cv2', 'mmengine'}),
    'engine': (
        {'whitening', 'adaptation', 'models', 'openmmlab'},
        {'torch', 'numpy', 'cv2', 'PIL', 'rich', 'tqdm', 'mmengine', 'mmcv', 'mmseg'},
    ),
    'analysis': (
        {'whitening'},
        {
            'torch',
            'torchvision',
            'numpy',
            'scipy',
            'matplotlib',
            'cv2',
            'PIL',
            'pycocotools',
            'fvcore',
            'mmengine',
            'mmseg',
        },
    ),
    'benchmark': ({'whitening'}, {'torch', 'matplotlib'}),
    'running': (
        {*LIBRARY, 'plugin'},
        {'torch', 'numpy', 'cv2', 'PIL', 'matplotlib', 'rich', 'tqdm', 'h5py', 'onnx', 'onnxruntime', *MM},
    ),
}
MAY_IMPORT |= {
    name: (MAY_IMPORT['running'][0] | {'running', 'benchmark'} | more, MAY_IMPORT['running'][1])
    for name, more in (('own_images', set()), ('reporting', set()), ('studies', {'own_images', 'reporting'}))
}
MAY_IMPORT['app'] = (MAY_IMPORT['running'][0] | {'running'}, MAY_IMPORT['running'][1] | {'gradio'})
MAY_IMPORT['doctor'] = (MAY_IMPORT['running'][0] | {'running', 'own_images'}, MAY_IMPORT['running'][1] | {'packaging'})
# private names of torch and OpenMMLab outside the seam: classes that all BatchNorms and all norms share, what tells
# whether a call is traced, what mmengine counts operations by, and what sees every operation of torch
PRIVATE = {
    'mmengine.analysis.complexity_analysis._DEFAULT_SUPPORTED_FLOP_OPS',
    'torch._C',
    'torch._C._are_functorch_transforms_active',
    'torch._C._distributed_c10d',
    'torch._C._distributed_c10d._resolve_process_group',
    'torch._C._len_torch_dispatch_stack',
    'torch.autograd.forward_ad._current_level',
    'torch.compiler._is_exporting_flag',
    'torch.nn.modules.batchnorm._BatchNorm',
    'torch.nn.modules.batchnorm._NormBase',
    'torch.nn.modules.instancenorm._InstanceNorm',
    'torch.ops.aten._unsafe_view',
    'torch.utils._python_dispatch.TorchDispatchMode',
    'torch.utils._pytree.tree_leaves',
}


def packages():
    return sorted(path.parent.name for path in PACKAGE.glob('*/__init__.py'))


def test_every_package_is_in_the_table():
    assert set(packages()) == set(MAY_IMPORT) | {'commands'}


@pytest.mark.parametrize('package', MAY_IMPORT)
def test_packages_import_only_what_they_may(package):
    packages_below, foreign = MAY_IMPORT[package]
    for file in python_files(f'sw_mmseg/{package}'):
        for name in imported(file):
            top, _, path = name.partition('.')
            if top != 'sw_mmseg':
                assert top in STDLIB | foreign, f'{file} imports {name}'
                continue
            part = path.split('.')[0]
            free = set() if package == 'whitening' else FREE
            assert part in {package} | packages_below | free, f'{file} imports {name}'


def test_the_documented_table_has_the_same_rows():
    text = (REPOSITORY / 'docs/architecture.md').read_text()
    table = text[text.index('| package | may import | never |') :].split('\n\n')[0]
    rows = {re.findall(r'`(\w+)`', line)[0]: line for line in table.splitlines()[2:]}
    assert set(rows) == set(MAY_IMPORT) | {'commands', 'tools'}
    for package in LIBRARY:
        cell = rows[package].split('|')[2]
        assert MAY_IMPORT[package][0] == set(re.findall(r'`(\w+)`', cell)), package


def test_files_beside_the_packages():
    assert {file.name for file in PACKAGE.glob('*.py')} == {
        '__init__.py',
        '__main__.py',
        'domains.py',
        'files.py',
        'plugin.py',
        'processes.py',
    }
    assert set(imported(PACKAGE / '__init__.py')) == set()
    for name in ('domains', 'files', 'processes'):
        assert {module.split('.')[0] for module in imported(PACKAGE / f'{name}.py')} <= STDLIB
    assert all(name.startswith('sw_mmseg.') for name in imported(PACKAGE / 'plugin.py'))


def test_commands_are_imported_by_the_front_doors_alone():
    doors = [*python_files('tools'), PACKAGE / '__main__.py']
    for file in python_files('sw_mmseg'):
        if 'commands' not in file.parts and file not in doors:
            assert not any(name.startswith('sw_mmseg.commands') for name in imported(file)), file
    for door in doors:
        assert {name for name in imported(door) if name.split('.')[0] not in STDLIB} <= {
            'sw_mmseg.commands.run',
            'sw_mmseg.commands.main',
        }, door


def test_every_command_has_its_tool_and_its_two_functions():
    from sw_mmseg.commands import names

    tools = {' '.join(file.relative_to(REPOSITORY / 'tools').with_suffix('').parts) for file in python_files('tools')}
    assert tools == set(names())
    for file in python_files('sw_mmseg/commands'):
        if file.name != '__init__.py':
            functions = {node.name for node in parsed(file).body if isinstance(node, ast.FunctionDef)}
            assert {'parse_arguments', 'main'} <= functions, file


def private_names(file):
    """Dotted names below torch or an OpenMMLab package with a part that begins with one underscore."""
    for name in imported(file):
        if name.split('.')[0] in {'torch', *MM}:
            yield name
    for node in ast.walk(parsed(file)):
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name) and node.id in {'torch', *MM}:
            yield '.'.join([node.id, *reversed(parts)])


def test_private_names_of_others_stay_in_the_seam():
    seen = set()
    for file in python_files('sw_mmseg'):
        if 'openmmlab' in file.parts:
            continue
        for name in private_names(file):
            if any(re.match(r'_[a-zA-Z]', part) for part in name.split('.')):
                assert name in PRIVATE, f'{file} uses {name}'
                seen.add(name)
    assert seen == PRIVATE  # none is left on the list that is not needed


def test_test_modules_do_not_import_one_another():
    for file in python_files('tests'):
        for name in imported(file):
            assert not any(part.startswith('test_') for part in name.split('.')[:-1]), f'{file} imports {name}'
