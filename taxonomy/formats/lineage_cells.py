"""Whole lineages in one cell, as SILVA, PR2, QIIME, Kraken and MetaPhlAn write them, split into a column per level.

``k__Animalia;p__Chordata;s__Puffinus`` tells its ranks; in ``Eukaryota;Mollusca;;Pupa`` the place of a name does, and
where such lineages are of uneven length the last name of each is that of the leaf.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from taxonomy.document import shown
from taxonomy.errors import HierarchyError
from taxonomy.formats.table import CLASS, CLASS_NAME, IMAGE, Row, Table
from taxonomy.leveling import ImportOptions
from taxonomy.parents import MOST_LEVELS
from taxonomy.ranks import PLACE, is_placeholder

COLUMNS = frozenset({"taxonomy", "taxon", "taxa", "tax", "lineage", "classification", "clade_name", "consensus lineage",
                     "consensuslineage", "path", "taxonomic_lineage"})  # fmt: skip
PREFIXES = {"d": "domain", "sk": "superkingdom", "k": "kingdom", "p": "phylum", "c": "class", "o": "order",
            "f": "family", "g": "genus", "s": "species", "t": "strain"}  # fmt: skip
NUMBERED = ("domain", "phylum", "class", "order", "family", "genus", "species")  # D_0__ to D_6__ of older SILVA
_PREFIX = re.compile(r"\s*(?:D_(\d)|([a-z]{1,2}))__(.*)", re.DOTALL | re.IGNORECASE)
_CONFIDENCE = re.compile(r"(.+?)\s*\(\d+(?:\.\d+)?\)", re.DOTALL)  # as mothur writes behind a name
_SIGNS, _RARE_SIGNS = ";|", ">/,"  # between names; the rare ones in a column that is called so, `LINEAGES`
LINEAGES = frozenset({"lineage", "taxonomy", "classification", "taxonomic_lineage"})
_STRAIN = len(PLACE)
NAMED = 5  # columns that are passed over by name, the others by count
SAMPLE = 1000  # rows that tell where the lineages are
Lineages = list[tuple[str, ...]]


def expanded(table: Table, reading: ImportOptions) -> Table:
    """Return the table with a column per level, where one of its columns holds whole lineages; else as it is.

    Raises
    ------
    HierarchyError
        If the lineages cannot be split, with the line.
    """
    whole = _with_its_header(table)
    column, mark = _column(whole)
    if column is None:
        return table
    table = whole
    kept = [row for row in table.rows if not is_placeholder(row.cells[column]) and row.cells[column]]
    parts = _trimmed([[part.strip() for part in row.cells[column].split(mark)] for row in kept])
    valued = parts and all(_CONFIDENCE.fullmatch(part) for line in parts for part in line if part)
    if valued:
        parts = [[match[1] if (match := _CONFIDENCE.fullmatch(part)) else "" for part in line] for line in parts]
    prefixed = any(_PREFIX.fullmatch(part) for line in parts for part in line)
    names, lines = _by_prefix(kept, parts) if prefixed else _by_place(parts, reading)
    inner = _ancestors(lines)
    rows = [(row, line) for row, line in zip(kept, lines, strict=True) if line not in inner]
    notes = [f"lineages in column {shown(table.header[column])} split at {mark!r}"]
    notes += ["numbers in brackets behind the names left out"] if valued else []
    joined = _class_column(table, column, reading)
    if beside := [name for k, name in enumerate(table.header) if k not in (column, joined)]:
        more = f" and {len(beside) - NAMED} more" if len(beside) > NAMED else ""
        notes.append(f"columns beside the lineages passed over: {', '.join(beside[:NAMED])}{more}")
    if joined is not None and reading.class_column is None:
        notes.append(f"column {shown(table.header[joined])} is read as the dataset's class names")
    if len(kept) < len(table.rows):
        notes.append(f"rows that name no taxon passed over: {len(table.rows) - len(kept)}")
    if len(rows) < len(kept):
        notes.append(f"rows that name a taxon above others passed over: {len(kept) - len(rows)}")
    return _table(table, names, rows, joined, reading).noting(*notes)


def _trimmed(parts: list[list[str]]) -> list[list[str]]:
    """Return lineages without the blank that stands before the first sign, or behind the last one, in all of them."""
    for end, rest in ((0, slice(1, None)), (-1, slice(None, -1))):
        if all(len(line) > 1 and line[end] == "" for line in parts):
            parts = [line[rest] for line in parts]
    return parts


def _class_column(table: Table, lineages: int, reading: ImportOptions) -> int | None:
    """Return the column of the dataset's class names: the one asked for, else the last that is called so."""
    called = (CLASS, CLASS_NAME) if reading.class_column is None else (reading.class_column,)
    names = table.header if reading.class_column is not None else [name.casefold() for name in table.header]
    return max((k for k, name in enumerate(names) if name in called and k != lineages), default=None)


def _table(
    table: Table, names: tuple[str, ...], rows: list[tuple[Row, tuple[str, ...]]], joined: int | None,
    reading: ImportOptions,
) -> Table:  # fmt: skip
    if joined is None:
        return replace(table, header=[*names], rows=[Row(row.line, [*line]) for row, line in rows], all_levels=True)
    cells = [Row(row.line, [*line, row.cells[joined]]) for row, line in rows]
    return replace(table, header=[*names, reading.class_column or CLASS_NAME], rows=cells, all_levels=True)


def _with_its_header(table: Table) -> Table:
    """Return the table with its first row as a row, where that holds a lineage rather than names of columns."""
    if not any(_PREFIX.fullmatch(re.split(r"[;|]", name)[0]) or _deep(name) or _ended(name) for name in table.header):
        return table
    header = [f"column {k + 1}" for k in range(len(table.header))]
    rows = [Row(1, table.header), *table.rows]
    return replace(table, header=header, rows=rows).noting("the first row holds a lineage, so there is no header")


def _column(table: Table) -> tuple[int | None, str]:
    """Return the column that holds lineages, and what separates their parts."""
    for k, name in enumerate(table.header):
        cells = [row.cells[k] for row in table.rows[:SAMPLE] if row.cells[k]]
        key = name.lstrip("#").strip().casefold()
        called = key in COLUMNS and not all(map(IMAGE.fullmatch, cells))
        mark = max(_SIGNS, key=lambda sign: sum(sign in cell for cell in cells))
        split = sum(mark in cell for cell in cells)
        if called and not split and (key in LINEAGES or (key == "path" and len(table.header) == 1)):
            mark = max(_RARE_SIGNS, key=lambda sign: sum(sign in cell for cell in cells))
            split = sum(mark in cell for cell in cells)
        ranked = sum(bool(_PREFIX.match(cell)) for cell in cells)
        deep = sum(_deep(cell) or _ended(cell) for cell in cells)
        known = len(table.header) == 1 or called or 10 * deep >= 9 * len(cells)
        if cells and ((known and 2 * split >= len(cells)) or (split and 2 * ranked >= len(cells))):
            return k, mark
    return None, ";"


def _deep(cell: str) -> bool:
    """Tell whether a cell holds three names or more."""
    return cell.count(";") > 1 or cell.count("|") > 1


def _ended(cell: str) -> bool:
    """Tell whether a cell ends as lineages of SILVA and mothur do."""
    return len(cell) > 1 and cell.endswith(";")


def _by_prefix(rows: Sequence[Row], parts: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], Lineages]:
    found: list[dict[str, str]] = []
    for row, line in zip(rows, parts, strict=True):
        ranks: dict[str, str] = {}
        for part in filter(None, line):
            rank, name = _ranked(part, row.line)
            if rank in ranks:
                raise HierarchyError(f"line {row.line}: two names of rank {rank}; keep one")
            ranks[rank] = name
        found.append(ranks)
    used = {rank for ranks in found for rank, name in ranks.items() if name}
    names = tuple(sorted(used, key=lambda rank: PLACE.get(rank, _STRAIN)))
    return names, [tuple(ranks.get(name, "") for name in names) for ranks in found]


def _ranked(part: str, line: int) -> tuple[str, str]:
    match = _PREFIX.fullmatch(part)
    rank = None
    if match is not None:
        number = match[1]
        rank = PREFIXES.get((match[2] or "").lower()) if number is None else dict(enumerate(NUMBERED)).get(int(number))
    if match is None or rank is None:
        raise HierarchyError(f"line {line}: {shown(part)} has no prefix of a rank, such as f__; write one before each")
    return rank, match[3].strip()


def _by_place(parts: Sequence[Sequence[str]], reading: ImportOptions) -> tuple[tuple[str, ...], Lineages]:
    count = max(map(len, parts), default=0)
    if count > MOST_LEVELS:
        raise HierarchyError(
            f"a lineage of {count} names; a hierarchy of more than {MOST_LEVELS} levels makes no sense"
        )
    gaps = any(not part for line in parts for part in line)
    lines = [
        (*line, *[""] * (count - len(line))) if gaps or not line
        else (*line[:-1], *[""] * (count - len(line)), line[-1])
        for line in parts
    ]  # fmt: skip
    names = reading.levels or tuple(f"level {k + 1}" for k in range(count))
    if len(names) != count:
        raise HierarchyError(f"{len(names)} level names ({', '.join(names)}) for lineages of {count} names; name each")
    return names, [tuple(line) for line in lines]


def _ancestors(lines: Lineages) -> set[tuple[str, ...]]:
    """Return the lineages that end where another goes on: sorted, such a one stands right before one that does."""
    filled = sorted((tuple(name for name in line if name), line) for line in dict.fromkeys(lines))
    return {
        line
        for (names, line), (following, _) in pairwise([*filled, ((), ())])
        if not names or (len(following) > len(names) and following[: len(names)] == names)
    }
