"""Tables on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as RichTable

from sw_mmseg.analysis import Table

__all__ = ['show']


def show(table: Table) -> None:
    """The table on the terminal."""
    rich = RichTable(caption=table.caption, caption_justify='left')
    for index, heading in enumerate(table.headings):
        rich.add_column(heading, justify='right' if table.numeric(index) else 'left')
    for index, row in enumerate(table.rows):
        rich.add_row(*map(table.text, row), style='bold' if index in table.strong else None)
    Console().print(rich)
