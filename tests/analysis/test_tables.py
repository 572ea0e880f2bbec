"""Tables: the same hand-written cells in Markdown, CSV and HTML."""

import csv
import io
import math

import pytest

from sw_mmseg.analysis import Table, mean_std, per_class_table, to_csv, to_html, to_markdown

TABLE = Table(
    ('network', 'mIoU', 'runs', 'note'),
    (('BN', 11.84, '11.8 ± 0.7', 'a|b'), ('SW', None, None, '<x>')),
    'In percent.',
    strong=frozenset({1}),
)


def test_markdown_is_what_one_would_write_by_hand():
    assert to_markdown(TABLE) == (
        '| network | mIoU | runs | note |\n'
        '| --- | ---: | ---: | --- |\n'
        '| BN | 11.8 | 11.8 ± 0.7 | a\\|b |\n'
        '| **SW** | **–** | **–** | **<x>** |\n\nIn percent.\n'
    )


def test_csv_keeps_every_digit_and_reads_back():
    rows = list(csv.reader(io.StringIO(to_csv(TABLE))))
    assert rows == [['network', 'mIoU', 'runs', 'note'], ['BN', '11.84', '11.8 ± 0.7', 'a|b'], ['SW', '', '', '<x>']]


def test_html_escapes_and_scopes():
    page = to_html(TABLE)
    assert '&lt;x&gt;' in page and '<x>' not in page
    assert page.count('scope="col"') == 4 and page.count('scope="row"') == 2
    assert '<td class="n">11.8</td>' in page and '<tr class=strong>' in page


def test_a_short_row_is_named():
    with pytest.raises(ValueError, match='row 1 has 1 cells'):
        Table(('a', 'b'), ((1, 2), (3,)))


def test_mean_std_by_hand():
    # mean of 1, 2, 6 is 3; squared deviations 4 + 1 + 9 = 14; 14 / 2 = 7; sqrt(7) = 2.6458
    assert mean_std([1.0, 2.0, 6.0]) == '3.0 ± 2.6'
    assert mean_std([4.25]) == 4.25
    with pytest.raises(ValueError, match='at least one'):
        mean_std([])


def test_per_class_mean_leaves_absent_classes_out():
    table = per_class_table(('road', 'train', 'car'), {'BN': (90.0, math.nan, 30.0), 'SW': (80.0, 10.0, 60.0)})
    assert table.rows[-1] == ('mean', 60.0, 50.0)  # (90 + 30) / 2 and (80 + 10 + 60) / 3
    assert table.text(table.rows[1][1]) == '–'
    assert table.strong == {3}
    with pytest.raises(ValueError, match="'BN' has 2 values for 3 classes"):
        per_class_table(('a', 'b', 'c'), {'BN': (1, 2)})
