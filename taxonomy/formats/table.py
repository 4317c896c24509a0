"""A table as it stands in its file: a header, and every row with the line on which it begins.

`parse` splits text into cells, and tells the delimiter where none is given. `tidied` drops what spreadsheets and
data frames add: blanks around cells, empty rows and columns, a counter without a name. What was assumed or passed
over is in `Table.notes`; what is wrong in `Table.findings`. The standard library's reader is used rather than that
of pandas because it knows the line of each row, and how many cells it has.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from taxonomy.document import shown
from taxonomy.errors import HierarchyError
from taxonomy.ranks import rank_of
from taxonomy.rules import Finding

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
REMARKS = frozenset({"note", "basis", "scientific_name", "wikipedia_title"})  # columns of the shipped tables
CLASS, CLASS_NAME, ROOT = "class", "class_name", "root"
WORDS = frozenset({*REMARKS, CLASS, CLASS_NAME, ROOT, "child", "parent", "label", "level", "taxon", "name"})
IMAGE = re.compile(r".*\.(jpe?g|png|webp|gif|bmp|tiff?)", re.IGNORECASE | re.DOTALL)  # the path of one
SAMPLE = 100  # rows that tell the delimiter
_UNNAMED = re.compile(r"(Unnamed: \d+(\.\d+|_level_\d+)*)?")  # as pandas calls such a column when it writes it again
_LEVEL = re.compile(r"level \d+")
_SEPARATOR = re.compile(r"sep=.(\r\n|\r|\n)", re.IGNORECASE)
_WHOLE = re.compile(r"\d+(\.0)?", re.ASCII)


class Row(NamedTuple):
    """The cells of a row, and the line of the file on which it begins."""

    line: int
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """A header and the rows that are as long as it.

    Attributes
    ----------
    notes, findings
        What was assumed or passed over, and what is wrong.
    all_levels
        Whether every column is known to be a level, whatever it is called.
    padded
        Cells that ended with a blank, which was stripped: line, name of the column, and the cell as it was.
    """

    header: list[str]
    rows: list[Row]
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    all_levels: bool = False
    padded: tuple[tuple[int, str, str], ...] = ()

    def column(self, index: int) -> list[str]:
        """Return the cells of a column."""
        return [row.cells[index] for row in self.rows]

    def noting(self, *notes: str) -> Table:
        """Return the table with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    def faulty(self, *findings: Finding) -> Table:
        """Return the table with more findings."""
        return replace(self, findings=(*self.findings, *findings))


def parse(text: str, delimiter: str | None = None, *, header: bool = True) -> Table:
    """Split text into a table.

    Parameters
    ----------
    delimiter
        What separates the cells; found where not given.
    header
        Whether the first row is one; else the columns that hold something are called ``level 1``, ``level 2``, ...

    Raises
    ------
    HierarchyError
        If the quoting is broken or a cell absurdly large, with the line.
    """
    text, skipped = _without_comments(text)
    mark = delimiter or find_delimiter(text)
    rows = _rows(text, mark, skipped)
    notes = [f"comment lines passed over: {skipped}"] if skipped else []
    if delimiter is None and mark != ",":
        notes.append(f"cells are separated by {DELIMITERS[mark]} ({mark!r})")
    if header:
        return tidied(Table(rows[0].cells if rows else [], rows[1:], tuple(notes)))
    used = {k for row in rows for k, cell in enumerate(row.cells) if cell.strip()}
    names = [f"level {k + 1}" if k in used else "" for k in range(len(rows[0].cells) if rows else 0)]
    return tidied(Table(names, rows, tuple(notes)))


def _without_comments(text: str) -> tuple[str, int]:
    """Return the text without its leading lines of ``#`` but the last, which is a header, and how many they were.

    A first line ``sep=;``, which tells Excel the separator, is none of the table either.
    """
    count, at = 0, 0
    if match := _SEPARATOR.match(text):
        text, count = text[match.end() :], 1
    while text.startswith("#", at):
        end = text.find("\n", at)
        if end < 0 or not text.startswith("#", end + 1):
            break
        count, at = count + 1, end + 1
    return text[at:].removeprefix("#"), count


def _rows(text: str, mark: str, skipped: int) -> list[Row]:
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True, skipinitialspace=True)
    except (TypeError, ValueError):
        raise HierarchyError(f"`delimiter`: {shown(mark)} is not one character; name one, such as ;") from None
    rows: list[Row] = []
    line = 0
    try:
        for cells in reader:
            if cells:  # a blank line is nothing
                rows.append(Row(skipped + line + 1, cells))
            line = reader.line_num
    except csv.Error as error:
        raise HierarchyError(f"line {skipped + line + 1}: {error}; mend the quoting") from None
    return rows


def find_delimiter(text: str) -> str:
    """Return what separates the cells: what most rows hold as often as the header does; a comma where nothing does.

    Tabs come first, since names hold none; then whatever gives the most columns.
    """
    best, most = ",", (0.0, 0)
    for mark in DELIMITERS:
        counts = [len(row) for row in _sample(text, mark)]
        if counts and counts[0] > 1:
            alike = sum(count == counts[0] for count in counts[1:]) / max(1, len(counts) - 1)
            if mark == "\t" and alike >= 0.9:
                return mark
            if (alike, counts[0]) > most and (alike >= 0.5 or mark == ","):
                best, most = mark, (alike, counts[0])
    return best


def first_row(text: str) -> list[str]:
    """Return the cells of the first row, which may be a header, without blanks around them."""
    text, _ = _without_comments(text)
    return [cell.strip() for row in _sample(text, find_delimiter(text))[:1] for cell in row]


def _sample(text: str, mark: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text[: 2**20], newline=""), delimiter=mark)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row)
            if len(rows) > SAMPLE:
                break
    except csv.Error:
        pass  # the reader of the whole text says it, with the line
    return rows


def tidied(table: Table) -> Table:
    """Strip cells, drop empty rows and unnamed columns that hold nothing or a counter; say what is wrong with the rest.

    Rows that repeat the header, as of files written one after the other, are dropped too. Rows longer than the header
    by empty cells are cut, other rows of another length are findings and left out.
    """
    header, width = [name.strip() for name in table.header], len(table.header)
    named, folded = names_columns(header), [name.casefold() for name in header]
    rows, findings, padded, empty, again = [], list(table.findings), [], 0, 0
    for line, raw in table.rows:
        cells = [cell.strip() for cell in raw]
        if cells != raw:
            padded += [(line, name, cell) for name, cell in zip(header, raw, strict=False) if _padded(cell)]
        if not any(cells):
            empty += 1
        elif named and cells[0].casefold() == folded[0] and [cell.casefold() for cell in cells] == folded:
            again += 1
        elif len(cells) == width or (len(cells) > width and not any(cells[width:])):
            rows.append(Row(line, cells[:width]))
        else:
            message = f"{len(cells)} cells under {width} columns: {shown(','.join(raw))}"
            findings.append(Finding("row-length", f"line {line}", message))
    notes = table.notes + ((f"empty rows passed over: {empty}",) if empty else ())
    notes += (f"rows that repeat the header passed over: {again}",) if again else ()
    return _without_unnamed(Table(header, rows, notes, tuple(findings), padded=tuple(padded)))


def names_columns(header: Sequence[str]) -> bool:
    """Tell whether a row is a header for sure: one of its cells is a rank, or a word that only headers hold."""
    names = map(str.casefold, header)
    return any(name in WORDS or rank_of(name) or _LEVEL.fullmatch(name) for name in names)


def _padded(cell: str) -> bool:
    return cell != cell.rstrip() and bool(cell.strip())


def _without_unnamed(table: Table) -> Table:
    notes: Counter[str] = Counter()
    dropped, findings = set(), []
    for k, name in enumerate(table.header):
        if _UNNAMED.fullmatch(name):
            cells = table.column(k)
            held = next((row for row, cell in zip(table.rows, cells, strict=True) if cell), None)
            if held is None:
                notes["empty columns without a name passed over"] += 1
            elif numbers_rows(cells):
                notes["columns without a name that number the rows passed over"] += 1
            else:
                message = f"the unnamed column {k + 1} holds {shown(held.cells[k])} (line {held.line})"
                findings.append(Finding("bad-header", f"line 1, column {k + 1}", message))
                continue
            dropped.add(k)
    kept = [k for k in range(len(table.header)) if k not in dropped]
    if dropped:
        rows = [Row(line, [cells[k] for k in kept]) for line, cells in table.rows]
        table = replace(table, header=[table.header[k] for k in kept], rows=rows)
    if not table.header:
        findings.append(Finding("bad-header", "line 1", "there is no header"))
    return table.faulty(*findings).noting(*(f"{note}: {count}" for note, count in notes.items()))


def numbers_rows(cells: list[str]) -> bool:
    """Tell whether cells are the index of a data frame: whole numbers, each once, in any order."""
    return bool(cells) and all(map(_WHOLE.fullmatch, cells)) and len(set(cells)) == len(cells)


def checked(table: Table) -> Table:
    """Return the table if nothing is wrong with it.

    Raises
    ------
    HierarchyError
        On the first finding, and if there is no row.
    """
    if table.findings:
        raise HierarchyError(str(table.findings[0]))
    if not table.rows:
        raise HierarchyError("no rows under a header; give a header line and a row per taxon")
    return table


def dump(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as CSV with line feeds at line ends, quoted where a cell needs it."""
    out = io.StringIO(newline="")
    plain = csv.writer(out, lineterminator="\n")
    quoted = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:  # older Pythons leave a carriage return bare where it does not end the lines
        (quoted if any("\r" in cell or cell[:1] == " " for cell in row) else plain).writerow(row)
    return out.getvalue()
