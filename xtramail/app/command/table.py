"""A list for people at a terminal: aligned columns, folded to its width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print ``rows`` of cells under the names of their columns."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    # What stands in the cells is anybody's text, never markup.
    Console(markup=False, highlight=False, emoji=False).print(table)
