"""The wheel and the sdist: what is in them, and that an installed package works from an empty folder."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PLACE = 'import sw_mmseg; print(sw_mmseg.__file__)'
BASE_BY_NAME = '''
import pathlib
import sw_mmseg.plugin
from mmengine.config import Config
pathlib.Path('mine.py').write_text("_base_ = 'sw_mmseg::sw_pspnet_ade20k.py'")
print('config:', Config.fromfile('mine.py').model.type)
'''


def expected_files() -> set[str]:
    """Where a wheel has each file of the package, of configs and of tools."""
    roots = {'sw_mmseg': 'sw_mmseg', 'configs': 'sw_mmseg/.mim/configs', 'tools': 'sw_mmseg/.mim/tools'}
    return {f'{place}/{path.relative_to(ROOT / folder).as_posix()}' for folder, place in roots.items()
            for path in (ROOT / folder).rglob('*') if path.is_file() and '__pycache__' not in path.parts}


def test_the_wheel_holds_the_package_its_configs_and_its_tools(built):
    with zipfile.ZipFile(next(built.glob('*.whl'))) as archive:
        names = {name for name in archive.namelist() if '.dist-info/' not in name}
    assert names == expected_files()
    assert 'sw_mmseg/.mim/model-index.yml' in names and 'sw_mmseg/py.typed' in names
    assert any(name.endswith('.py') and '/_base_/' in name for name in names)


def test_the_sdist_holds_the_same_as_files_and_nothing_else(built):
    with tarfile.open(next(built.glob('*.tar.gz'))) as archive:
        members = {member.name.partition('/')[2]: member for member in archive.getmembers()}
    names = {name for name, member in members.items() if not member.isdir()}
    assert all(members[name].isreg() for name in names), 'a link would not survive everywhere'
    package = {name for name in names if name.startswith('sw_mmseg/')}
    assert package == expected_files()
    rest = {name for name in names - package if not name.startswith('sw_mmseg.egg-info/')}
    assert rest == {'LICENSE', 'MANIFEST.in', 'PKG-INFO', 'README.md', 'pyproject.toml', 'setup.cfg'}


@pytest.mark.parametrize('kind', ['installed', 'editable'])
def test_a_config_builds_on_a_shipped_one_by_name(kind, request):
    environment = request.getfixturevalue(kind)
    place = Path(environment.run('python', '-c', PLACE))
    assert ROOT not in place.parents
    assert (environment.packages in place.parents) == (kind == 'installed')
    assert 'config: EncoderDecoder' in environment.run('python', '-c', BASE_BY_NAME)
