"""The wheel and the sdist: what is in them, and that an installed package works from an empty folder."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.own_folders import write_folders
from tests.helpers.tiny_demo import TINY_DEMO

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PLACE = 'import sw_mmseg; print(sw_mmseg.__file__)'
BASE_BY_NAME = """
import pathlib
import sw_mmseg.plugin
from mmengine.config import Config
pathlib.Path('mine.py').write_text("_base_ = 'sw_mmseg::sw_pspnet_ade20k.py'")
print('config:', Config.fromfile('mine.py').model.type)
"""
TINY = """
_base_ = 'sw_mmseg::bn_sourceonly_streets.py'
model = dict(backbone=dict(width=0.0625), decode_head=dict(in_channels=64))
train_dataloader = dict(num_workers=0, persistent_workers=False)
val_dataloader = dict(num_workers=0, persistent_workers=False)
train_cfg = dict(max_iters=2, val_interval=2)
default_hooks = dict(checkpoint=dict(interval=2))
"""


def expected_files() -> set[str]:
    """Where a wheel has each file of the package, of configs and of tools."""
    roots = {'sw_mmseg': 'sw_mmseg', 'configs': 'sw_mmseg/.mim/configs', 'tools': 'sw_mmseg/.mim/tools'}
    return {
        f'{place}/{path.relative_to(ROOT / folder).as_posix()}'
        for folder, place in roots.items()
        for path in (ROOT / folder).rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }


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
    remainder = {name for name in names - package if not name.startswith('sw_mmseg.egg-info/')}
    assert remainder == {'LICENSE', 'MANIFEST.in', 'PKG-INFO', 'README.md', 'pyproject.toml', 'setup.cfg'}


def test_an_index_would_take_both(built):
    words = [sys.executable, '-m', 'twine', 'check', '--strict', *sorted(map(str, built.iterdir()))]
    checked = subprocess.run(words, capture_output=True, text=True)
    assert checked.returncode == 0 and checked.stdout.count('PASSED') == 2, checked.stdout + checked.stderr


@pytest.mark.parametrize('kind', ['installed', 'editable'])
def test_a_config_builds_on_a_shipped_one_by_name(kind, request):
    environment = request.getfixturevalue(kind)
    place = Path(environment.run('python', '-c', PLACE))
    assert ROOT not in place.parents
    assert (environment.packages in place.parents) == (kind == 'installed')
    assert 'config: EncoderDecoder' in environment.run('python', '-c', BASE_BY_NAME)


def test_every_command_is_listed_and_the_shipped_tools_call_them(installed):
    listed = installed.run('sw-mmseg', '--help')
    assert {'adapt', 'demo', 'predict', 'test', 'train'} <= set(re.findall(r'\w+', listed))
    tool = installed.packages / 'sw_mmseg/.mim/tools/predict.py'
    for words in (['sw-mmseg', 'predict'], ['python', '-m', 'sw_mmseg', 'predict'], ['python', tool]):
        assert 'an image, or a folder of images' in installed.run(*words, '--help')


def test_a_network_is_trained_and_used_from_an_empty_folder(installed):
    installed.run(
        'sw-mmseg',
        'dataset_converters',
        'streets',
        'data/streets',
        '--size',
        '64x32',
        '--source',
        '4',
        '--target-train',
        '2',
        '--target-val',
        '3',
        '--workers',
        '1',
    )
    (installed.empty / 'tiny.py').write_text(TINY)
    installed.run('sw-mmseg', 'train', 'tiny.py')
    images = installed.empty / 'data/streets/varied/cityscapes/leftImg8bit/val'
    installed.run('sw-mmseg', 'predict', 'tiny.py', 'work_dirs/tiny/iter_2.pth', images, 'out')
    predictions = sorted((installed.empty / 'out').rglob('*.png'))
    assert len(predictions) == 3
    for path in predictions:
        with Image.open(path) as labels:
            assert labels.size == (64, 32)
            assert set(np.unique(np.asarray(labels))) <= set(range(19))


def test_the_demo_runs_from_an_empty_folder(installed):
    installed.run(
        'sw-mmseg',
        'demo',
        '--work-dir',
        'demo',
        '--data',
        'demo/data',
        *TINY_DEMO,
    )
    assert (installed.empty / 'demo/report.html').stat().st_size > 0


def test_two_folders_become_a_network_from_an_empty_folder(installed):
    folders = write_folders(installed.empty / 'mine')
    installed.run(
        'sw-mmseg',
        'adapt',
        '--source',
        folders / 'source/images',
        folders / 'source/labels',
        '--target',
        folders / 'target',
        '--out',
        'adapted',
        '--iterations',
        '8',
        '--no-comparison',
    )
    made = {path.name for path in (installed.empty / 'adapted').iterdir()}
    assert {'checkpoint.pth', 'config.py', 'predictions', 'report.html'} <= made
    installed.run('sw-mmseg', 'predict', 'adapted/config.py', 'adapted/checkpoint.pth', folders / 'target', 'again')
    assert len(list((installed.empty / 'again').rglob('*.png'))) == 4
