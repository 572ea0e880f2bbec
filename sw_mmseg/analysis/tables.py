"""Tables of results as data, and as Markdown, CSV and HTML: the same cells in all three.

A cell is a text, a number or `None` ("not measured", shown as a dash). Numbers are shown with the table's `digits`;
CSV keeps every digit, because it is for reading back. No counterpart in the paper.
"""

from __future__ import annotations

import csv
import html
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ['Table', 'mean_std', 'per_class_table', 'to_csv', 'to_html', 'to_markdown']

Cell = str | int | float | None
DASH = '–'


@dataclass(frozen=True)
class Table:
    """Rows of cells under headings.

    Args:
        headings: one text a column.
        rows: each as long as `headings`; `ValueError` names the first that is not.
        caption: what the table shows, with its units.
        digits: decimals of every float shown.
        strong: indices of the rows to set in bold.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ''
    digits: int = 1
    strong: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        for index, row in enumerate(self.rows):
            if len(row) != len(self.headings):
                raise ValueError(f'row {index} has {len(row)} cells, the table {len(self.headings)} columns: {row}')

    def numeric(self, column: int) -> bool:
        """Whether every cell of the column is a number, a mean ± deviation, or missing (and not all are missing)."""
        cells = [row[column] for row in self.rows if row[column] is not None]
        return bool(cells) and all(isinstance(c, (int, float)) or '±' in c for c in cells)

    def text(self, cell: Cell) -> str:
        """A cell as it is shown."""
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            return DASH
        return f'{cell:.{self.digits}f}' if isinstance(cell, float) else str(cell)


def mean_std(values: Sequence[float], digits: int = 1) -> float | str:
    """One value as it is; several as 'mean ± s' with the sample standard deviation (n - 1)."""
    if not values:
        raise ValueError('mean_std needs at least one value')
    mean = sum(values) / len(values)
    if len(values) == 1:
        return float(values[0])
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
    return f'{mean:.{digits}f} ± {deviation:.{digits}f}'


def per_class_table(classes: Sequence[str], columns: Mapping[str, Sequence[float]], caption: str = '') -> Table:
    """IoU of every class (rows) for every network (columns), and the mean below.

    Args:
        classes: C names.
        columns: heading -> C values in percent; NaN where the class is neither in the truth nor predicted. The mean
            leaves NaN out, as mmseg's mIoU does.
    """
    for name, values in columns.items():
        if len(values) != len(classes):
            raise ValueError(f'{name!r} has {len(values)} values for {len(classes)} classes')
    rows = [(name, *(float(values[i]) for values in columns.values())) for i, name in enumerate(classes)]
    means = []
    for values in columns.values():
        present = [v for v in values if not math.isnan(v)]
        means.append(sum(present) / len(present) if present else math.nan)
    rows.append(('mean', *means))
    return Table(('class', *columns), tuple(rows), caption, strong=frozenset({len(classes)}))


def to_markdown(table: Table) -> str:
    """A GitHub table, numbers to the right, the caption as a line below."""

    def line(cells: Sequence[str]) -> str:
        return '| ' + ' | '.join(c.replace('|', '\\|') for c in cells) + ' |'

    rule = ['---:' if table.numeric(i) else '---' for i in range(len(table.headings))]
    lines = [line(table.headings), line(rule)]
    for index, row in enumerate(table.rows):
        cells = [table.text(c) for c in row]
        lines.append(line([f'**{c}**' if index in table.strong else c for c in cells]))
    return '\n'.join(lines) + (f'\n\n{table.caption}\n' if table.caption else '\n')


def to_csv(table: Table) -> str:
    """Comma-separated, floats at full precision, missing cells empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow(table.headings)
    for row in table.rows:
        writer.writerow(['' if c is None or (isinstance(c, float) and math.isnan(c)) else c for c in row])
    return out.getvalue()


def to_html(table: Table) -> str:
    """A captioned `<table>` with scoped headings, in a box that scrolls sideways on a narrow screen."""
    numeric = [table.numeric(i) for i in range(len(table.headings))]

    def cell(tag: str, text: str, column: int, scope: str = '') -> str:
        kind = ' class="n"' if numeric[column] else ''
        return f'<{tag}{scope}{kind}>{html.escape(text)}</{tag}>'

    head = ''.join(cell('th', h, i, ' scope="col"') for i, h in enumerate(table.headings))
    body = []
    for index, row in enumerate(table.rows):
        first = cell('th', table.text(row[0]), 0, ' scope="row"')
        cells = ''.join(cell('td', table.text(c), i + 1) for i, c in enumerate(row[1:]))
        body.append(f'<tr{" class=strong" if index in table.strong else ""}>{first}{cells}</tr>')
    caption = f'<figcaption>{html.escape(table.caption)}</figcaption>' if table.caption else ''
    newline = '\n'
    return (
        f'<figure><div class="scroll"><table><thead><tr>{head}</tr></thead>\n'
        f'<tbody>{newline.join(body)}</tbody></table></div>{caption}</figure>'
    )
