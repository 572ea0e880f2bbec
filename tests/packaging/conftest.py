"""A wheel and an sdist built from a copy of this checkout, and environments of their own to install them in.

The environments take every other package from the one that runs the tests, by a `.pth` line, so nothing is downloaded.
The editable install of this checkout is not taken along: a `.pth` file inside a folder that a `.pth` line adds is not
read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = ('LICENSE', 'MANIFEST.in', 'README.md', 'pyproject.toml', 'setup.cfg')
FOLDERS = ('configs', 'docs', 'requirements', 'sw_mmseg', 'tests', 'tools')


class Environment:
    """A virtual environment, and a folder with nothing in it to work from."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.empty = folder / 'env' / 'bin', folder / 'empty'
        self.empty.mkdir(parents=True)
        subprocess.run([sys.executable, '-m', 'venv', '--without-pip', folder / 'env'], check=True)
        self.packages = Path(self.run('python', '-c', 'import sysconfig; print(sysconfig.get_paths()["purelib"])'))
        (self.packages / 'tested.pth').write_text(sysconfig.get_paths()['purelib'] + '\n')

    def install(self, *words: str | Path) -> None:
        """`pip install`, without the dependencies, which are there."""
        call(
            [
                sys.executable,
                '-m',
                'pip',
                '--python',
                self.bin / 'python',
                'install',
                '--quiet',
                '--no-deps',
                '--no-build-isolation',
                '--no-index',
                *words,
            ]
        )

    def run(self, program: str, *words: str | Path) -> str:
        """What a program of the environment prints, started in the empty folder."""
        return call([self.bin / program, *words], cwd=self.empty)


def call(words: list, **options) -> str:
    """Standard output of a process; one that fails fails the test, with all that it said."""
    variables = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    done = subprocess.run(words, capture_output=True, text=True, env=variables, **options)
    assert done.returncode == 0, f'{words}\n{done.stdout}\n{done.stderr}'
    return done.stdout.strip()


def copy_of_checkout(folder: Path) -> Path:
    """The checkout's files, links as links, without what it has accumulated."""
    for name in FILES:
        shutil.copy2(ROOT / name, folder)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns('__pycache__'))
    return folder


@pytest.fixture(scope='session')
def built(tmp_path_factory) -> Path:
    """The folder of an sdist, and of the wheel that was built from that sdist."""
    source = copy_of_checkout(tmp_path_factory.mktemp('checkout'))
    call([sys.executable, '-m', 'build', '--no-isolation', '--outdir', source / 'dist', source])
    return source / 'dist'


@pytest.fixture(scope='session')
def installed(built, tmp_path_factory) -> Environment:
    """An environment with the wheel."""
    environment = Environment(tmp_path_factory.mktemp('wheel'))
    environment.install(next(built.glob('*.whl')))
    return environment


@pytest.fixture(scope='session')
def editable(tmp_path_factory) -> Environment:
    """An environment with an editable install of a checkout."""
    source = copy_of_checkout(tmp_path_factory.mktemp('editable_checkout'))
    environment = Environment(tmp_path_factory.mktemp('editable'))
    environment.install('--editable', source)
    return environment
