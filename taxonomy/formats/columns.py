"""What the columns of a table of lineages are: levels, the dataset's class names, the root, remarks.

The difficult one is called ``class``: in zoology a rank, in datasets the name of a class. It is a rank where its
place among the other ranks allows that and its values look like taxa, see `class_is_rank`; and the finest level where
nothing else tells its values apart, see `class_is_finest`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from taxonomy.document import shown
from taxonomy.errors import HierarchyError
from taxonomy.formats.table import CLASS, CLASS_NAME, IMAGE, REMARKS, ROOT, Row, Table, names_columns, numbers_rows
from taxonomy.leveling import ImportOptions
from taxonomy.ranks import PLACE, rank_of
from taxonomy.rules import Finding

HEAD = 20  # rows among which a header may stand that is not the first
_TAXON = re.compile(r"[A-Z][a-z]+(idae|iformes|aceae|oidea|inae)")
_DIGITS = re.compile(r"\d+")
_NO_TAXON = re.compile(r"[\d_/\\]")
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?%?", re.ASCII)


@dataclass(frozen=True)
class Columns:
    """Where the levels stand, coarsest first, what they are called, and where class names and root are, if anywhere."""

    levels: tuple[int, ...]
    names: tuple[str, ...]
    classes: int | None
    root: int | None

    def lineages(self, table: Table) -> list[tuple[str, ...]]:
        """Return the cells of the levels, row by row."""
        return [tuple([row.cells[k] for k in self.levels]) for row in table.rows]


def find(table: Table, reading: ImportOptions) -> tuple[Columns, Table]:
    """Tell what the columns are, and return the table with what was assumed and what is wrong with its header.

    Raises
    ------
    HierarchyError
        If a column that was asked for is not there.
    """
    classes, notes = _class_column(table, reading)
    root = _last(table.header, ROOT) if not reading.levels or ROOT not in reading.levels else None
    if reading.levels:
        levels = tuple(_index(table.header, name, classes) for name in reading.levels)
    else:
        levels, said = _remaining(table, {classes, root})
        notes += said
    findings = _repeated(table.header, {classes}) if not reading.levels else []
    if not levels:
        findings.append(Finding("bad-header", "line 1", "no column is a level"))
    elif not (reading.header and reading.levels) and (row := _header_below(table, reading)):
        findings.append(Finding("bad-header", f"line {row.line}", f"{shown(', '.join(row.cells))} reads like a header"))
    elif reading.header and not reading.levels and (cell := _taxon_in_header(table)):
        message = f"{shown(cell)} in the header is rather a taxon than the name of a level"
        findings.append(Finding("header-is-data", "line 1", message))
    names = tuple(table.header[k] for k in levels)
    return Columns(levels, names, classes, root), table.noting(*notes).faulty(*findings)


def _index(header: Sequence[str], name: str, classes: int | None) -> int:
    places = [k for k, other in enumerate(header) if other == name and k != classes]
    if not places:
        raise HierarchyError(f"no column {shown(name)} in the header ({', '.join(header)}); name its level columns")
    return places[0]


def _last(header: Sequence[str], name: str) -> int | None:
    return max((k for k, other in enumerate(header) if other.casefold() == name), default=None)


def _remaining(table: Table, taken: set[int | None]) -> tuple[tuple[int, ...], list[str]]:
    """Return the columns that are levels, and what to say of those that are passed over."""
    rest = [k for k in range(len(table.header)) if k not in taken]
    if table.all_levels:
        return tuple(rest), []
    remarks = [k for k in rest if table.header[k].casefold() in REMARKS]
    rest = [k for k in rest if k not in remarks]
    counters = _counters(table, rest)
    notes = []
    if remarks:
        notes.append(f"columns that are no levels passed over: {', '.join(table.header[k] for k in remarks)}")
    if counters:
        names = ", ".join(table.header[k] for k in counters)
        notes.append(f"columns of numbers or image files passed over, say `levels` if one is a level: {names}")
    return tuple(k for k in rest if k not in counters), notes


def _counters(table: Table, columns: Sequence[int]) -> list[int]:
    """Return the columns that number the rows or hold what is measured or where images lie, rather than taxa.

    That is a number of its own in each row; any numbers at the end, where the columns before them tell as many rows
    apart; and names of image files. But what is left must hold something other than numbers.
    """
    cells = {k: table.column(k) for k in columns}
    numbers = {k for k in columns if cells[k] and all(_NUMBER.fullmatch(cell) for cell in cells[k] if cell)}
    images = {k for k in columns if any(cells[k]) and all(IMAGE.fullmatch(cell) for cell in cells[k] if cell)}
    named = [k for k in columns if k not in numbers | images]
    if not named or len(named) == len(columns):
        return []
    rows = len(set(zip(*(cells[k] for k in named), strict=True)))
    apart = rows == len(set(zip(*(cells[k] for k in columns if k not in images), strict=True)))
    return [
        k for k in columns if k in images or (k in numbers and (apart if k > named[-1] else numbers_rows(cells[k])))
    ]


def _class_column(table: Table, reading: ImportOptions) -> tuple[int | None, list[str]]:
    header = table.header
    if (asked := reading.class_column) is not None:
        if asked not in header:
            raise HierarchyError(f"`class_column`: no column {shown(asked)} in the header ({', '.join(header)})")
        return len(header) - 1 - header[::-1].index(asked), []
    levels = reading.levels or ()
    if (named := _last(header, CLASS_NAME)) is not None and header.count(header[named]) > levels.count(header[named]):
        return named, []
    column = _last(header, CLASS)
    if column is None or table.all_levels or header.count(header[column]) <= levels.count(header[column]):
        return None, []
    if header.count(header[column]) == 1 and class_is_rank(table, column):
        return None, ["column 'class' is read as the rank; say `class_column=class` if it holds the dataset's classes"]
    if header.count(header[column]) == 1 and class_is_finest(table, column):
        return None, ["column 'class' is read as the finest level; the columns before it do not tell its values apart"]
    which = "column" if header.count(header[column]) == 1 else "the last column"
    return column, [f"{which} 'class' is read as the dataset's class names"]


def class_is_rank(table: Table, column: int) -> bool:
    """Tell whether a column called ``class`` is the rank rather than the class names of a dataset.

    Other ranks must stand on its right sides, coarser ones before and finer ones after it. Where one value has several
    lineages, and each taxon of the next rank one value, that is enough. Else its values must be such as taxa have (no
    digits, underscores or slashes); and between two ranks, or where one has several lineages, that is enough, else
    each must be one capitalised word, like Mammalia.
    """
    ranks = [(k, PLACE[rank]) for k, name in enumerate(table.header) if (rank := rank_of(name))]
    before = [place for k, place in ranks if k < column]
    after = [place for k, place in ranks if k > column]
    if not (before or after) or max(before, default=-1) >= PLACE[CLASS] or min(after, default=99) <= PLACE[CLASS]:
        return False
    cells = [row.cells[column] for row in table.rows if row.cells[column]]
    others = [k for k, _ in ranks if k != column]
    several = len({tuple([row.cells[k] for k in others]) for row in table.rows if row.cells[column]}) > len(set(cells))
    if several and after and _is_above(table, column, min(k for k in others if k > column)):
        return True
    if not cells or any(_NO_TAXON.search(cell) for cell in cells):
        return False
    return bool(before and after) or several or all(cell.isalpha() and cell.istitle() for cell in cells)


def class_is_finest(table: Table, column: int) -> bool:
    """Tell whether a column called ``class`` is itself the finest level, as in ``superclass,class``.

    It stands behind all levels, of which none is a rank finer than a class, and most of its values share what stands
    before them with another. Where only a few do, those before it are rather the levels, and these few a mistake.
    """
    levels, _ = _remaining(table, {column, _last(table.header, ROOT)})
    ranks = [PLACE[rank] for k in levels if (rank := rank_of(table.header[k]))]
    if not levels or levels[-1] > column or max(ranks, default=-1) >= PLACE[CLASS]:
        return False
    below: dict[tuple[str, ...], set[str]] = {}
    for row in table.rows:
        below.setdefault(tuple([row.cells[k] for k in levels]), set()).add(row.cells[column])
    counts = [len(classes) for classes in below.values()]
    return 2 * sum(count for count in counts if count > 1) > sum(counts)


def _is_above(table: Table, column: int, finer: int) -> bool:
    """Tell whether all that has one name in the finer column has one in the other."""
    above: dict[str, str] = {}
    return all(above.setdefault(row.cells[finer], row.cells[column]) == row.cells[column] for row in table.rows)


def _header_below(table: Table, reading: ImportOptions) -> Row | None:
    """Return a row of ranks alone: a header below a title or comment that was taken for it, or one said to be none."""
    if table.all_levels or (reading.header and names_columns(table.header)):
        return None
    return next((row for row in table.rows[:HEAD] if all(map(rank_of, row.cells))), None)


def _taxon_in_header(table: Table) -> str | None:
    """Return a cell of the header that is rather a taxon.

    It stands below itself, but for the numbers in it, ends as the names of ranks do, or begins with the one before
    it, as all names in its column do (``Anas,Anas crecca``).
    """
    if table.all_levels or names_columns(table.header):
        return None
    for k, name in enumerate(table.header):
        cells = table.column(k)
        if (
            _TAXON.fullmatch(name)
            or name in cells
            or (_DIGITS.search(name) and _numbered(name) in map(_numbered, cells))
            or (k > 0 and _begins_with(table, k))
        ):
            return name
    return None


def _begins_with(table: Table, column: int) -> bool:
    """Tell whether the cells of a column, its header's among them, begin with those of the column before it."""
    rows = [table.header, *(row.cells for row in table.rows)]
    return len(rows) > 1 and all(cells[column].startswith(f"{cells[column - 1]} ") for cells in rows)


def _numbered(name: str) -> str:
    """Return a name with its numbers made the same: ``AB102 Bacteria`` is numbered as ``AB7 Bacteria`` is."""
    return _DIGITS.sub("#", name)


def _repeated(header: Sequence[str], apart: set[int | None]) -> list[Finding]:
    names = [None if k in apart else name for k, name in enumerate(header)]
    return [
        Finding("bad-header", f"line 1, column {k + 1}", f"two columns are called {shown(name)}")
        for k, name in enumerate(names)
        if name and name in names[:k]
    ]


def roots(table: Table, columns: Columns) -> list[tuple[Row, str]]:
    """Return the rows whose root is not that of the first row, and that root."""
    if columns.root is None or not table.rows:
        return []
    first = table.rows[0].cells[columns.root]
    return [(row, first) for row in table.rows if row.cells[columns.root] != first]
