"""One report, one HTML file: it opens offline, on a phone, in light or dark, and can be mailed.

`write_report` refuses what would break that promise: anything to be fetched, a picture without words, a file too large.
"""

from __future__ import annotations

import html
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib import metadata
from pathlib import Path

from sw_mmseg.analysis.page import STYLE
from sw_mmseg.files import whole_file

__all__ = ['Section', 'environment', 'write_report']

PACKAGES = (
    'sw_mmseg',
    'torch',
    'torchvision',
    'onedl-mmcv',
    'onedl-mmengine',
    'onedl-mmsegmentation',
    'mmcv',
    'mmengine',
    'mmsegmentation',
    'numpy',
)


@dataclass(frozen=True)
class Section:
    """A heading and its HTML fragments (see `sw_mmseg.analysis.page` and `tables.to_html`)."""

    heading: str
    fragments: tuple[str, ...]


def write_report(
    path: str | Path, title: str, lead: Sequence[str], sections: Sequence[Section], max_bytes: int = 10_000_000
) -> int:
    """Write the page in one step (a reader never sees half of it) and return its size in bytes.

    Args:
        lead: paragraphs of plain text below the title.
        max_bytes: larger pages are refused: show fewer or smaller pictures.

    Raises:
        ValueError: the page would fetch something, has an image without alt text, or is too large.
    """
    body = ''.join(f'<section><h2>{html.escape(s.heading)}</h2>{"".join(s.fragments)}</section>' for s in sections)
    top = ''.join(f'<p class="lead">{html.escape(text)}</p>' for text in lead)
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n'
        f'<body><main><h1>{html.escape(title)}</h1>{top}\n{body}</main></body></html>\n'
    )
    content = page.encode()
    faults = page_faults(page)
    if len(content) > max_bytes:
        faults.append(f'{len(content) / 1e6:.1f} MB, more than {max_bytes / 1e6:.1f}: show fewer or smaller pictures')
    if faults:
        raise ValueError(f'{path} was not written: ' + '; '.join(faults))
    path = Path(path)
    with whole_file(path) as part:
        part.write_bytes(content)
    return len(content)


class _Reader(HTMLParser):
    """Collects what a browser would fetch, images without words, and tags that do not close."""

    VOID = frozenset({'img', 'meta', 'source', 'br', 'hr', 'link', 'input'})

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        for name in ('src', 'srcset', 'href', 'poster', 'action'):
            target = values.get(name)
            if target is not None and not target.startswith(('data:', '#')):
                self.faults.append(f'<{tag}> fetches {target[:80]!r}')
        if tag in ('script', 'link', 'iframe'):
            self.faults.append(f'<{tag}> is not allowed')
        if tag == 'img' and not (values.get('alt') or '').strip():
            self.faults.append('an image has no alt text')
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f'</{tag}> closes what is not open')


def page_faults(page: str) -> list[str]:
    """What keeps a page from being one self-contained, readable file; empty when nothing does."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    unclosed = [f'<{tag}> is not closed' for tag in reader.open]
    style = page[page.find('<style>') : page.find('</style>')]
    fetched = ['the style sheet fetches something'] if 'url(' in style or '@import' in style else []
    return reader.faults + unclosed + fetched


def environment() -> dict[str, str]:
    """What the numbers were measured on: Python, platform, processors, and the installed packages' versions."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux tells which cores are ours
        cores = os.cpu_count() or 1
    values = {
        'Python': platform.python_version(),
        'platform': f'{platform.system()} {platform.machine()}',
        'CPU cores': str(cores),
    }
    for name in PACKAGES:
        try:
            values[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'none'
    return {**values, 'GPU': device}
