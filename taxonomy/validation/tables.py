"""A CSV table as it stands in its file: every row with the line on which it begins."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """The cells of a row, and the line of the file on which it begins."""

    line: int
    cells: list[str]


class Table(NamedTuple):
    """The header and the rows below it."""

    header: list[str]
    rows: list[Row]
