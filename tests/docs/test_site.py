"""The documentation site: built without a warning; every link, anchor and picture of its pages leads somewhere."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.helpers.source_files import REPOSITORY

HOOK = runpy.run_path(str(REPOSITORY / 'docs/site_links.py'))


class Links(HTMLParser):
    """What a page links to and shows, and the ids that it has."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(page.read_text())

    def handle_starttag(self, tag, attributes):
        """Collects one tag's."""
        values = dict(attributes)
        self.links += [values[name] for name in ('href', 'src') if values.get(name)]
        self.ids |= {values[name] for name in ('id', 'name') if values.get(name)}


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp('site')
    command = [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--quiet', '--site-dir', str(folder)]
    quiet = os.environ | {'NO_MKDOCS_2_WARNING': '1'}
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=400, env=quiet)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope='module')
def pages(site):
    return {page: Links(page) for page in site.rglob('*.html') if page.name != '404.html'}


def test_every_link_of_the_built_site_leads_somewhere(site, pages):
    count = 0
    for page, parsed in pages.items():
        for link in parsed.links:
            address = urlsplit(link)
            if address.scheme or address.netloc:
                continue
            goal = page if not address.path else Path(os.path.normpath(page.parent / unquote(address.path)))
            goal = goal / 'index.html' if goal.is_dir() else goal
            assert goal.is_relative_to(site) and goal.is_file(), f'{page.relative_to(site)}: {link}'
            if address.fragment and goal in pages and not address.fragment.startswith('__'):
                assert unquote(address.fragment) in pages[goal].ids, f'{page.relative_to(site)}: {link}'
            count += 1
    assert count > 2000


def test_nothing_is_loaded_from_elsewhere(pages):
    for page in pages:
        text = page.read_text()
        assert 'src="http' not in text and 'fonts.g' not in text, page


def test_files_outside_the_docs_are_part_of_it(site):
    text = (site / 'repository/configs/sw_adaptsegnet_gta2cityscapes.py.txt').read_text()
    assert text == (REPOSITORY / 'configs/sw_adaptsegnet_gta2cityscapes.py').read_text()
    assert (site / 'repository/data/index.html').is_file() and (site / 'repository/CONTRIBUTING/index.html').is_file()


def test_notebooks_are_pages_that_the_navigation_lists(site):
    notebooks = sorted((REPOSITORY / 'notebooks').glob('*.ipynb'))
    assert [f'notebooks/{file.name}' for file in notebooks] == list(HOOK['NOTEBOOKS'])
    home = (site / 'index.html').read_text()
    for file in notebooks:
        assert f'repository/notebooks/{file.stem}/' in home
        page = (site / f'repository/notebooks/{file.stem}/index.html').read_text()
        code = [cell for cell in json.loads(file.read_text())['cells'] if cell['cell_type'] == 'code']
        assert page.count('<pre') == len(code) > 3


def test_the_api_pages_have_every_public_name(pages, site):
    import sw_mmseg.adaptation
    import sw_mmseg.whitening

    for package in (sw_mmseg.whitening, sw_mmseg.adaptation):
        name = package.__name__.rpartition('.')[2]
        ids = pages[site / f'api/{name}/index.html'].ids
        missing = {word for word in package.__all__ if not any(i.endswith(f'.{word}') for i in ids)}
        assert not missing


@pytest.mark.parametrize(
    'page, text, expected',
    [
        ('docs/layer.md', '[a](speed.md#on-a-gpu)', '[a](speed.md#on-a-gpu)'),
        ('docs/layer.md', '[a](../README.md)', '[a](repository/README.md)'),
        ('docs/guides/paper.md', '[a](../../configs/README.md#x)', '[a](../repository/configs/README.md#x)'),
        ('docs/speed.md', '[a](../configs/bn_fcn_ade20k.py)', '[a](repository/configs/bn_fcn_ade20k.py.txt)'),
        (
            'configs/README.md',
            '[a](../docs/layer.md) [b](bn_fcn_ade20k.py)',
            '[a](../../layer.md) [b](bn_fcn_ade20k.py.txt)',
        ),
        ('README.md', '[t](tools) ![p](docs/images/demo.png)', '[t](tools/README.md) ![p](../images/demo.png)'),
        ('docs/layer.md', '[a](https://x.org/README.md) [b](#fold)', '[a](https://x.org/README.md) [b](#fold)'),
        ('docs/layer.md', '```python\nmodel[0](images)\n```\n', '```python\nmodel[0](images)\n```\n'),
    ],
)
def test_links_are_turned(page, text, expected):
    assert HOOK['turned'](text, page) == expected
