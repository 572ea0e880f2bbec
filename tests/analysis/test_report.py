"""The report keeps its promise: one file, nothing fetched, words for every picture, well-formed, small."""

import re

import numpy as np
import pytest

from sw_mmseg.analysis import Section, Table, environment, page, plot_curves, to_html, write_report
from sw_mmseg.analysis.report import page_faults

PALETTE = [(128, 64, 128), (0, 0, 142)]


def sections():
    labels = np.array([[0, 1], [255, 1]])
    photo = np.full((2, 2, 3), 90, np.uint8)
    curves = {'BN': ([1, 2], [3.0, 1.0])}
    chart = page.figure(lambda theme: plot_curves(curves, 'loss', theme=theme), 'Loss falls to 1.', 'Loss')
    return [
        Section('Result', (to_html(Table(('a', 'b'), (('x', 1.0),), 'caption')), page.side_by_side([chart, chart]))),
        Section(
            'Pictures <1>',
            (
                page.class_legend(('road', 'car'), PALETTE),
                page.tiles({'image': photo, 'truth': labels}, PALETTE, 'target image 1'),
            ),
        ),
        Section('How', (page.commands(['tools/train.py a && b']), page.facts(environment()), page.paragraph('a < b'))),
    ]


def test_report_is_one_self_contained_file(tmp_path):
    size = write_report(tmp_path / 'new' / 'report.html', 'Title & more', ['One line.'], sections())
    text = (tmp_path / 'new' / 'report.html').read_text()
    assert size == len(text.encode()) < 1_000_000
    targets = re.findall(r'(?:src|srcset|href)="([^"]{0,10})', text)
    assert len(targets) == 6 and all(t.startswith('data:image') for t in targets)  # two charts in two themes, two tiles
    assert all(alt.strip() for alt in re.findall(r'<img[^>]*?alt="([^"]*)"', text)) and text.count('<img') == 4
    assert 'prefers-color-scheme:dark' in text and 'name="viewport"' in text and '<html lang="en">' in text
    assert '<title>Title &amp; more</title>' in text and 'Pictures &lt;1&gt;' in text and 'a &amp;&amp; b' in text
    assert '<script' not in text and page_faults(text) == []
    assert [p.name for p in (tmp_path / 'new').iterdir()] == ['report.html']


@pytest.mark.parametrize(
    'fragment, fault',
    [
        ('<img src="http://a/b.png" alt="x">', 'fetches'),
        ('<img src="data:," alt=" ">', 'no alt text'),
        ('<script>1</script>', 'not allowed'),
        ('<p><b>x</p>', 'closes what is not open'),
        ('<a href="https://a">x</a>', 'fetches'),
    ],
)
def test_what_breaks_the_promise_is_refused_and_nothing_is_written(tmp_path, fragment, fault):
    with pytest.raises(ValueError, match=fault):
        write_report(tmp_path / 'r.html', 't', [], [Section('s', (fragment,))])
    assert not list(tmp_path.iterdir())


def test_too_large_is_refused(tmp_path):
    with pytest.raises(ValueError, match='more than 0.0'):
        write_report(tmp_path / 'r.html', 't', [], sections(), max_bytes=1000)


def test_environment_names_the_versions_in_use():
    import torch

    values = environment()
    assert values['torch'] == torch.__version__.split('+')[0] or values['torch'] == torch.__version__
    assert int(values['CPU cores']) >= 1 and {'onedl-mmengine', 'mmengine'} & set(values)
