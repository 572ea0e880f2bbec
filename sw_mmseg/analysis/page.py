"""Pieces of a self-contained HTML page: every picture is inside it, nothing is fetched, no script runs.

Each function takes plain values and gives a fragment; `report.write_report` puts fragments on a page.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from sw_mmseg.analysis.predictions import Palette, colour, image_bytes
from sw_mmseg.analysis.style import DARK, LIGHT, Theme, figure_png

__all__ = [
    'STYLE',
    'class_legend',
    'commands',
    'details',
    'facts',
    'figure',
    'heading',
    'paragraph',
    'side_by_side',
    'tiles',
]

STYLE = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1d2430;--muted:#5c6676;--line:#dfe3ea;--accent:#2f6fde;
--strong:#eef4ff;--code:#f0f2f6}
@media (prefers-color-scheme:dark){:root{--page:#0d1117;--card:#161b22;--ink:#e6eaf0;--muted:#98a2b3;--line:#2b3340;
--accent:#6ea3ff;--strong:#1b2a44;--code:#0f141b}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 16px 56px}
h1{font-size:1.75rem;line-height:1.2;margin:.2em 0 .3em}
h2{font-size:1.15rem;margin:0 0 .6em}
p{margin:.5em 0;max-width:78ch}.lead{font-size:1.06rem}.muted,figcaption{color:var(--muted);font-size:.88rem}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 18px 20px;margin:16px 0}
.scroll{overflow-x:auto;margin:0 -4px;padding:0 4px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.94rem}
th,td{padding:.42em .7em;border-bottom:1px solid var(--line);text-align:left;vertical-align:baseline}
thead th{color:var(--muted);font-weight:600;font-size:.85rem;vertical-align:bottom}tbody th{font-weight:500}
td.n{white-space:nowrap}.n{text-align:right}tr.strong>*{background:var(--strong);font-weight:700}
figure{margin:0}figure img{width:100%;height:auto;display:block;border-radius:6px}
figcaption{margin-top:.35em;overflow-wrap:anywhere}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:20px;align-items:start}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(46%,160px),1fr));gap:10px;padding:10px 0 14px;
border-top:1px solid var(--line)}
.tiles img{image-rendering:pixelated}.tiles .photo{image-rendering:auto}
.legend{display:flex;flex-wrap:wrap;gap:.25em 1em;list-style:none;padding:0;margin:0 0 .8em;font-size:.88rem}
.legend i{display:inline-block;width:.95em;height:.95em;border-radius:3px;margin-right:.4em;vertical-align:-.1em;
border:1px solid var(--line)}
pre{background:var(--code);border:1px solid var(--line);border-radius:6px;padding:.7em .9em;overflow-x:auto;
font-size:.84rem;line-height:1.5;margin:.5em 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1.2em;margin:.4em 0;font-size:.92rem}
dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}
summary{cursor:pointer;color:var(--accent)}h3{font-size:1rem;margin:1.1em 0 .3em}
@media (max-width:560px){section{padding:14px 12px 16px}th,td{padding:.4em .5em}table{font-size:.88rem}}
"""


def data_uri(content: bytes, kind: str) -> str:
    """`data:image/KIND;base64,...`"""
    return f'data:image/{kind};base64,{base64.b64encode(content).decode()}'


def paragraph(text: str, kind: str = '') -> str:
    """Plain text as a paragraph; `kind` is '', 'lead' or 'muted'."""
    return f'<p{f" class={kind}" if kind else ""}>{html.escape(text)}</p>'


def figure(draw: Callable[[Theme], Figure], alt: str, caption: str = '') -> str:
    """A chart in both themes; the reader's setting picks one. `alt` says in words what the chart shows."""
    light, dark = (data_uri(figure_png(draw, theme), 'png') for theme in (LIGHT, DARK))
    below = f'<figcaption>{html.escape(caption)}</figcaption>' if caption else ''
    return (
        f'<figure><picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{html.escape(alt)}"></picture>{below}</figure>'
    )


def side_by_side(fragments: Sequence[str]) -> str:
    """Fragments in columns where there is room, one below the other on a phone."""
    return f'<div class="pair">{"".join(f"<div>{f}</div>" for f in fragments)}</div>'


def tiles(row: Mapping[str, np.ndarray], palette: Palette, subject: str) -> str:
    """One image, its truth and its predictions as captioned tiles that flow.

    Args:
        row: title -> picture: H×W×3 RGB is a photograph (JPEG), H×W a label map (coloured, exact PNG).
        subject: what the pictures show, for the alt texts: 'target image 3'.
    """
    parts = []
    for title, picture in row.items():
        photo = picture.ndim == 3
        content = image_bytes(picture, 'jpeg') if photo else image_bytes(colour(picture, palette))
        source = data_uri(content, 'jpeg' if photo else 'png')
        name = html.escape(title)
        size = f'width="{picture.shape[1]}" height="{picture.shape[0]}"'
        parts.append(
            f'<figure><img{" class=photo" if photo else ""} src="{source}" {size} '
            f'alt="{html.escape(subject)}: {name}"><figcaption>{name}</figcaption></figure>'
        )
    return f'<div class="tiles">{"".join(parts)}</div>'


def class_legend(classes: Sequence[str], palette: Palette) -> str:
    """Every class beside its colour, and void (255), which is drawn black."""
    keys = [
        f'<li><i style="background:rgb({r},{g},{b})"></i>{html.escape(name)}</li>'
        for name, (r, g, b) in zip(classes, palette)
    ]
    keys.append('<li><i style="background:#000"></i>void, not counted</li>')
    return f'<ul class="legend" aria-label="Classes and their colours">{"".join(keys)}</ul>'


def commands(lines: Sequence[str]) -> str:
    """Shell commands, one block."""
    return f'<pre><code>{html.escape(chr(10).join(lines))}</code></pre>'


def heading(text: str) -> str:
    """A heading below that of a section."""
    return f'<h3>{html.escape(text)}</h3>'


def details(summary: str, text: str) -> str:
    """A long text that opens when its summary is chosen."""
    return f'<details><summary>{html.escape(summary)}</summary><pre><code>{html.escape(text)}</code></pre></details>'


def facts(values: Mapping[str, str]) -> str:
    """Name and value, one a line."""
    return f'<dl>{"".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(str(v))}</dd>" for k, v in values.items())}</dl>'
