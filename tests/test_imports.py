"""The import table of the packages, kept by parsing; and whitening alone, with no OpenMMLab package in reach."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / 'sw_mmseg'
STDLIB = set(sys.stdlib_module_names)
# package -> what it may import beside the standard library and itself
ALLOWED = {
    'whitening': {'torch', 'triton'},
    'openmmlab': {'sw_mmseg.whitening', 'sw_mmseg.models', 'torch', 'torchvision', 'mmengine', 'mmcv', 'mmseg',
                  'mmdet'},
    'datasets': {'numpy', 'cv2', 'PIL', 'torch', 'torchvision', 'sklearn', 'mmseg', 'mmdet', 'mmengine', 'mmcv',
                 'tqdm', 'pycocotools', 'yaml'},
    'models': {'sw_mmseg.whitening', 'torch', 'torchvision', 'mmseg', 'mmdet', 'mmpretrain', 'mmengine', 'mmcv'},
    'losses': {'torch', 'mmseg', 'mmengine'},
    'adaptation': {'sw_mmseg.models', 'sw_mmseg.losses', 'sw_mmseg.openmmlab', 'torch', 'mmseg', 'mmengine'},
    'engine': {'sw_mmseg.adaptation', 'torch', 'numpy', 'mmseg', 'mmengine', 'mmcv', 'rich', 'tqdm', 'cv2'},
    'stylization': {'sw_mmseg.whitening', 'sw_mmseg.models', 'sw_mmseg.losses', 'torch', 'numpy', 'PIL', 'cv2',
                    'mmengine'},
    'analysis': {'sw_mmseg.whitening', 'torch', 'numpy', 'matplotlib', 'mmengine', 'mmseg', 'cv2', 'torchvision',
                 'pycocotools', 'fvcore'},
}

APPLICATION = {'running', 'own_images', 'reporting', 'benchmark', 'studies', 'commands'}


def imports(path):
    package = ['sw_mmseg', *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else []
            yield '.'.join([*base, *([node.module] if node.module else [])])


def test_every_package_is_in_the_table():
    packages = {path.parent.name for path in ROOT.glob('*/__init__.py')}
    assert packages == set(ALLOWED) | APPLICATION


@pytest.mark.parametrize('package', ALLOWED)
def test_packages_import_only_what_they_may(package):
    files = sorted((ROOT / package).rglob('*.py'))
    assert files
    for path in files:
        for name in imports(path):
            top = name.split('.')[0]
            own = name.startswith(f'sw_mmseg.{package}') or (name == 'sw_mmseg.domains' and package != 'whitening')
            allowed = own or top in STDLIB or top in ALLOWED[package] or any(
                name == entry or name.startswith(entry + '.') for entry in ALLOWED[package])
            assert allowed, f'{path.relative_to(ROOT)} imports {name}'


def test_files_beside_the_packages_import_only_what_they_may():
    assert {path.name for path in ROOT.glob('*.py')} == {'__init__.py', '__main__.py', 'domains.py', 'plugin.py'}
    assert not set(imports(ROOT / 'domains.py')), 'any package may import it'
    assert set(imports(ROOT / 'plugin.py')) == {'sw_mmseg'}


def test_no_star_imports_and_no_cuda_calls():
    files = sorted(ROOT.rglob('*.py'))
    assert files
    for path in files:
        text = path.read_text()
        assert 'import *' not in text and '.cuda()' not in text, path


BLOCKED = '''
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'mmcv', 'mmengine', 'mmseg', 'mmdet', 'mmpretrain', 'cv2', 'torchvision', 'triton'}:
            raise ImportError(name + ' is blocked')

sys.meta_path.insert(0, Blocker())
import torch
from sw_mmseg.whitening import SwitchWhiten2d
x = torch.randn(2, 32, 8, 8, requires_grad=True)
SwitchWhiten2d(32)(x).sum().backward()
print(torch.isfinite(x.grad).all().item())
'''


def test_whitening_works_without_openmmlab():
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', BLOCKED], capture_output=True, text=True)
    assert done.stdout.strip() == 'True', done.stderr
