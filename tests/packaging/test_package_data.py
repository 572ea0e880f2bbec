"""What a wheel would hold, asked of setuptools itself: no config, tool or source file can be forgotten."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from setuptools import Distribution

import sw_mmseg

ROOT = Path(__file__).resolve().parents[2]
MIM = ROOT / 'sw_mmseg' / '.mim'


@pytest.fixture(scope='module')
def packed() -> set[str]:
    """Every file of a wheel, as setuptools plans it from setup.cfg, by its path inside the wheel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        distribution = Distribution({'script_name': 'setup.py'})
        distribution.parse_config_files(['setup.cfg'])
        command = distribution.get_command_obj('build_py')
        command.ensure_finalized()
        modules = [f'{package.replace(".", "/")}/{module}.py' for package, module, _ in command.find_all_modules()]
        data = [f'{package.replace(".", "/")}/{name}' for package, _, _, names in command.data_files for name in names]
    return {*modules, *data}


def source_files(folder: Path) -> set[str]:
    """Paths below a folder, without what Python leaves there."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }


@pytest.mark.parametrize('folder', ['configs', 'tools'])
def test_every_config_and_every_tool_is_packed(packed, folder):
    files = source_files(ROOT / folder)
    assert files
    assert {f'sw_mmseg/.mim/{folder}/{name}' for name in files} <= packed


def test_every_file_of_the_package_is_packed(packed):
    folder = ROOT / 'sw_mmseg'
    files = {f'sw_mmseg/{name}' for name in source_files(folder) if not name.startswith('.mim/')}
    assert {Path(name).suffix for name in files} <= {'.py', '.c', '.h', '.typed', '.json', '.xz'}, (
        'a kind of file without a pattern'
    )
    assert files <= packed
    assert {'sw_mmseg/py.typed', 'sw_mmseg/.mim/model-index.yml'} <= packed


def test_nothing_else_is_packed(packed):
    assert {name.split('/')[0] for name in packed} == {'sw_mmseg'}
    assert not [name for name in packed if name.endswith(('.pyc', '.pth', '.png'))]


def test_configs_and_tools_stand_once_in_the_repository():
    for name in ('configs', 'tools'):
        assert (MIM / name).resolve() == ROOT / name
    assert {path.name for path in MIM.iterdir()} == {'configs', 'tools', 'model-index.yml'}


def test_the_index_lists_every_config():
    """mmengine and mim read `model-index.yml`, then the files that it imports, as paths in `.mim`."""
    imported = yaml.safe_load((MIM / 'model-index.yml').read_text())['Import']
    models = [model for name in imported for model in yaml.safe_load((MIM / name).read_text())['Models']]
    listed = {model['Config'] for model in models}
    configs = {f'configs/{path.name}' for path in (ROOT / 'configs').glob('*.py')}
    assert configs
    assert not configs - listed, 'a config without a line in configs/metafile.yml'
    assert not listed - configs, 'a line of configs/metafile.yml without a config'
    assert len(models) == len(listed)
    assert all(model['Name'] == Path(model['Config']).stem for model in models)


def test_version_stands_once_and_needs_no_torch():
    code = 'import sys, sw_mmseg; print(sw_mmseg.__version__, "torch" in sys.modules)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == [sw_mmseg.__version__, 'False']
    literal = re.compile(rf'(?<![\d.=]){re.escape(sw_mmseg.__version__)}(?![\d.])')  # not of a package that is pinned
    for name in ('setup.cfg', 'pyproject.toml', 'CITATION.cff', 'README.md'):
        assert not literal.search((ROOT / name).read_text()), f'{name} repeats the version'


def requirements() -> list[Requirement]:
    """All that setup.cfg asks for, extras included."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / 'setup.cfg')
    lists = [parser['options']['install_requires'], *parser['options.extras_require'].values()]
    return [Requirement(line) for text in lists for line in text.split('\n') if line]


def tested_versions() -> dict[str, str]:
    """Package -> the version that requirements/constraints.txt names."""
    lines = (ROOT / 'requirements/constraints.txt').read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith('#')]
    return {pin.name.lower().replace('_', '-'): next(iter(pin.specifier)).version for pin in pins}


def test_tested_versions_are_those_of_the_oldest_release_of_the_oldest_python():
    """A distribution may have Python 3.11.2, and pip finds nothing that asks for 3.11.5."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / 'setup.cfg')
    oldest = parser['options']['python_requires'].split(',')[0].removeprefix('>=') + '.0'
    seen = 0
    for name, version in tested_versions().items():
        try:
            installed = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # an extra that is not installed here
        seen += installed.version == version
        asked = installed.metadata.get('Requires-Python')
        assert not asked or oldest in SpecifierSet(asked), f'{name} {installed.version} asks for Python {asked}'
    assert seen > 100


def test_tested_versions_lie_within_the_bounds():
    version = tested_versions()
    asked = requirements()
    assert len(asked) > 20
    for requirement in asked:
        if requirement.name == 'setuptools':  # the one that comes with the interpreter
            continue
        tested = version[requirement.name.lower().replace('_', '-')]
        assert requirement.specifier.contains(tested), f'{requirement}, tested {tested}'


@pytest.mark.parametrize(
    'name',
    [
        'torch',
        'torchvision',
        'onedl-mmcv',
        'onedl-mmengine',
        'onedl-mmsegmentation',
        'onedl-mmdetection',
        'onedl-mmpretrain',
        'opencv-python',
    ],
)
def test_what_may_break_has_an_upper_bound(name):
    bounds = [bound for requirement in requirements() if requirement.name == name for bound in requirement.specifier]
    assert '<' in {bound.operator for bound in bounds}
