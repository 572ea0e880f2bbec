"""Links of the documentation site to what stands outside docs/: pages and files of the repository become part of it.

Markdown links in this repository are relative paths, right in a checkout: `../configs/README.md`, `../sw_mmseg/…`. The
site has docs/ alone as its root. This hook of mkdocs finds such links in every page, puts each linked file under
`repository/` of the site, a Markdown file or a notebook as a page and any other as plain text, and turns the link to
it. So no address of a host is needed. A link to a folder leads to its README.md, or to a list of its files.
"""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from urllib.parse import urlsplit

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

__all__ = ['on_files', 'on_page_markdown', 'site_path', 'turned']

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = 'repository'  # the folder of the site that holds what lies outside docs/
NOTEBOOKS = ('notebooks/layer.ipynb', 'notebooks/two_folders.ipynb')
PAGES = ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'configs/README.md', 'data/README.md', *NOTEBOOKS)
FENCE = re.compile(r'(^(?:```|~~~).*?^(?:```|~~~)[^\S\n]*$)', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'(?<=\]\()([^)\s]+)(?=[)\s])')


def site_path(path: str) -> str:
    """Where a file of the repository stands below the root of the site: 'docs/layer.md' -> 'layer.md'.

    A folder stands for its README.md or, without one, for a page with the list of its files.
    """
    inside = PurePosixPath(path)
    if (ROOT / inside).is_dir():
        inside /= 'README.md'
    if inside.suffix == '.ipynb':
        inside = inside.with_suffix('.md')
    if inside.parts[0] == 'docs':
        return str(PurePosixPath(*inside.parts[1:]))
    plain = inside.suffix in ('', '.py', '.ini')  # browsers show text, and offer other files for download
    return f'{OUTSIDE}/{inside}{".txt" if plain else ""}'


def targets(markdown: str, page: str) -> dict[str, str]:
    """Link as it is written -> path in the repository, of the relative links of a page that lead to what is there.

    Args:
        markdown: text of the page.
        page: the page's own path in the repository.
    """
    paths = {}
    for part in FENCE.split(markdown)[::2]:
        for link in LINK.findall(part):
            address = urlsplit(link)
            if address.scheme or not address.path:
                continue
            path = normpath(f'{PurePosixPath(page).parent}/{address.path}')
            if not path.startswith('..') and (ROOT / path).exists():
                paths[link] = path
    return paths


def turned(markdown: str, page: str) -> str:
    """The page's text with its links as the site needs them; what is fenced as code is left alone."""
    paths, here = targets(markdown, page), PurePosixPath(site_path(page)).parent

    def turn(match: re.Match[str]) -> str:
        link = match[1]
        if link not in paths:
            return link
        anchor = urlsplit(link).fragment
        return relpath(site_path(paths[link]), here) + (f'#{anchor}' if anchor else '')

    parts = FENCE.split(markdown)
    parts[::2] = [LINK.sub(turn, part) for part in parts[::2]]
    return ''.join(parts)


def _in_repository(uri: str) -> str:
    """Path in the repository of the page with this path on the site."""
    return uri.removeprefix(f'{OUTSIDE}/') if uri.startswith(f'{OUTSIDE}/') else f'docs/{uri}'


def _notebook(path: Path) -> str:
    """A notebook as Markdown: its texts, and its code without what it printed."""
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    texts = [(cell['cell_type'], ''.join(cell['source'])) for cell in cells]
    title, *parts = [text if kind == 'markdown' else f'```python\n{text}\n```' for kind, text in texts]
    title, _, opening = title.partition('\n\n')
    said = f'This page is `{path.parent.name}/{path.name}`, a notebook to run in a checkout.'
    return '\n\n'.join([title, said, opening, *parts, ''])


def _content(path: str) -> str:
    if path in NOTEBOOKS:
        return _notebook(ROOT / path)
    if not (ROOT / path).is_dir():
        return (ROOT / path).read_text(encoding='utf-8')
    names = sorted(
        file.relative_to(ROOT / path).as_posix() for file in (ROOT / path).rglob('*.*') if file.suffix != '.pyc'
    )
    return '\n'.join([f'# {path}', '', *(f'* `{name}`' for name in names), ''])


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the repository's own pages and every file outside docs/ that some page links to."""
    pages = {_in_repository(file.src_uri): file.content_string for file in files.documentation_pages()}
    pages |= {page: _content(page) for page in PAGES}
    linked = {path for page, text in pages.items() for path in targets(text, page).values()}
    for path in [*PAGES, *sorted(linked)]:
        if files.get_file_from_path(site_path(path)) is None:
            level = InclusionLevel.INCLUDED if path in PAGES else InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, site_path(path), content=_content(path), inclusion=level))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001  mkdocs calls it so
    """The page with its links turned."""
    return turned(markdown, _in_repository(page.file.src_uri))
