"""Measured sections of the docs, filled by the tools that measured them."""

from __future__ import annotations

import re
from pathlib import Path

from sw_mmseg.running.errors import UserError

__all__ = ['fill', 'fill_with_pictures']

PICTURE = re.compile(r'\]\(([^)]+\.png)\)')


def fill(file: Path, mark: str, text: str) -> None:
    """Puts `text` between `<!-- MARK: ... -->` and `<!-- end of MARK -->` of a file.

    Raises:
        UserError: the file has no such lines.
    """
    lines = file.read_text().splitlines()
    begin = next((i for i, line in enumerate(lines) if line.startswith(f'<!-- {mark}:')), None)
    end = next((i for i, line in enumerate(lines) if line == f'<!-- end of {mark} -->'), None)
    if begin is None or end is None or end < begin:
        raise UserError(f'{file} has no lines "<!-- {mark}: ... -->" and "<!-- end of {mark} -->" to write between')
    file.write_text('\n'.join([*lines[: begin + 1], text.rstrip('\n'), *lines[end:]]) + '\n')


def fill_with_pictures(file: Path, images: Path, mark: str, page: str, folder: Path, prefix: str) -> None:
    """The same with a page whose pictures lie in `folder`: they are copied into `images`, a folder beside `file`,
    under names that begin with `prefix`."""
    images.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(PICTURE.findall(page)):
        (images / f'{prefix}{name}').write_bytes((folder / name).read_bytes())
        page = page.replace(f']({name})', f']({images.name}/{prefix}{name})')
    fill(file, mark, page)
