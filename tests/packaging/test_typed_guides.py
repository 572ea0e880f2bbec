"""What README and the guides tell to type is typed, page by page, in a copy of the checkout with a fresh environment.

pip downloads nothing: the environment takes other packages from the one that runs the tests (see conftest.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.documents import GUIDES, blocks, commands, name
from tests.helpers.guide_runs import NOT_RUN, SMALL_STREETS, small, stands_for
from tests.helpers.source_files import REPOSITORY
from tests.packaging.conftest import copy_of_checkout

pytestmark = pytest.mark.slow

CONFIG = 'configs/sw_adaptsegnet_streets.py'
TYPED = [page for page in GUIDES if any(commands(page))]


class Clone:
    """A checkout that `make setup` has set up, drawn data in it, and a shell in which the environment is active."""

    def __init__(self, folder: Path) -> None:
        self.folder = copy_of_checkout(folder)
        shutil.copy2(REPOSITORY / 'Makefile', folder)
        environment = folder / '.venv'
        subprocess.run([sys.executable, '-m', 'venv', environment], check=True)
        python = environment / 'bin/python'
        words = [python, '-c', 'import sysconfig; print(sysconfig.get_paths()["purelib"])']
        packages = Path(subprocess.check_output(words, text=True).strip())
        tested = subprocess.check_output([sys.executable, *words[1:]], text=True).strip()
        (packages / 'tested.pth').write_text(f'{tested}\n')
        variables = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
        self.variables = variables | {
            'PATH': f'{environment}/bin:{os.environ["PATH"]}',
            'VIRTUAL_ENV': str(environment),
        }
        self.type(small(['pip', 'install', '--editable', '.']))
        (environment / '.installed').touch()  # as make leaves it
        self.folders, self.trained = folder / 'data/strangers', folder / 'work_dirs/sw_adaptsegnet_streets'
        streets = folder / 'data/streets'
        self.type(['sw-mmseg', 'dataset_converters', 'streets', str(streets), *SMALL_STREETS])
        self.type(['sw-mmseg', 'dataset_converters', 'streets_folders', str(streets), str(self.folders)])
        self.type(small(['python', 'tools/train.py', CONFIG]))
        for data_set in ('gta5', 'cityscapes'):  # drawn, in the layouts of these
            (folder / 'data' / data_set).symlink_to(streets / 'varied' / data_set)

    def type(self, words: list[str]) -> str:
        """What the command prints; one that fails fails the test, with all that it said."""
        done = subprocess.run(
            ['env', *words], cwd=self.folder, env=self.variables, capture_output=True, text=True, timeout=500
        )
        assert done.returncode == 0, f'{" ".join(words)}\n{done.stdout}\n{done.stderr}'
        return done.stdout


@pytest.fixture(scope='module')
def clone(tmp_path_factory):
    """The checkout that all pages are typed in."""
    return Clone(tmp_path_factory.mktemp('clone'))


@pytest.fixture
def made(clone):
    """Takes away what a page's commands have made, so that another page may make it."""
    yield
    for folder in ('DIR', 'DIR2', 'CHECKED', 'OUT', 'OUT2', 'out', 'browse', 'data/mine', 'data/streets_trial'):
        shutil.rmtree(clone.folder / folder, ignore_errors=True)


@pytest.mark.parametrize('page', TYPED, ids=name)
def test_a_page_is_typed_from_top_to_bottom(page, clone, made):
    count = 0
    for words in commands(page):
        if ' '.join(words) not in NOT_RUN:
            clone.type(small(stands_for(words, clone.folders, clone.trained)))
            count += 1
    assert count


def test_the_code_of_the_layer_page_runs_in_the_fresh_environment(clone):
    page = REPOSITORY / 'docs/guides/layer.md'
    code = '\n'.join(block for block in blocks(page, 'python') if not block.startswith(('custom_imports', '_base_')))
    (clone.folder / 'layer_page.py').write_text(code)
    assert "{'bw': 0.5, 'iw': 0.5}" in clone.type(['python', 'layer_page.py'])
