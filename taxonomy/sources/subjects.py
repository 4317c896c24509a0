"""The classes to look up: from a list of names, or a reviewed table such as ``taxonomy/data/cub.csv``."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from taxonomy.errors import HiertaxError

_NUMBER = re.compile(r"\d+\.(?=\D)")


@dataclass(frozen=True)
class Subject:
    """One class to place.

    Attributes
    ----------
    name
        The dataset's class name.
    title
        The page to ask.
    label
        What the class is called in the hierarchy.
    reviewed
        Its taxa above the finest level according to a reviewed table, if there is one.
    fixed
        Whether the reviewer set these taxa against other sources: then they stand whatever a page says.
    scientific
        The scientific name that the page must be about, if known; a genus alone is allowed.
    """

    name: str
    title: str
    label: str
    reviewed: tuple[str, ...] | None = None
    fixed: bool = False
    scientific: str = ""


def read_names(path: Path, levels: Sequence[str]) -> list[Subject]:
    """Read a list of names: a text file with one per line, or a CSV with a column ``class``.

    The CSV may also say ``wikipedia_title``, ``scientific_name``, and a column per level: these are then
    the reviewed ground that Wikipedia is compared with.

    Raises
    ------
    HiertaxError
        If the file cannot be read, holds no name, or holds one twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise HiertaxError(f"{path}: {reason}; give a file with one name per line") from None
    if path.suffix.lower() == ".csv":
        lines, rows = _rows(text, path)
        subjects = from_table(rows, levels, str(path), lines)
    else:
        named = {i: line.strip() for i, line in enumerate(text.splitlines(), start=1)}
        lines = [i for i, line in named.items() if line and not line.startswith("#")]
        subjects = [_bare(named[i]) for i in lines]
    if not subjects:
        raise HiertaxError(f"{path}: holds no name; write one per line")
    _refuse_repeated(subjects, lines, path)
    return subjects


def from_table(
    rows: Sequence[dict[str, str]], levels: Sequence[str], where: str, lines: Sequence[int] | None = None
) -> list[Subject]:
    """Read the rows of a reviewed table; a column ``basis`` says which rows the reviewer corrected.

    Parameters
    ----------
    lines
        In which line of `where` each row is; one after another below the first where not given.

    Raises
    ------
    HiertaxError
        If a row names no class, or some of its taxa above the finest level but not all: the line.
    """
    subjects = []
    for line, row in zip(range(2, len(rows) + 2) if lines is None else lines, rows, strict=True):
        name = row.get("class", "").strip()
        if not name:
            raise HiertaxError(f"{where}, line {line}: has no class; fill the column 'class'")
        reviewed = tuple(row.get(level, "").strip() for level in levels[:-1])
        if any(reviewed) and not all(reviewed):
            gaps = ", ".join(level for level, taxon in zip(levels, reviewed, strict=False) if not taxon)
            raise HiertaxError(f"{where}, line {line}: part of a lineage; fill {gaps} too, or leave all levels empty")
        subjects.append(
            Subject(
                name=name,
                title=_composed(row.get("wikipedia_title", "").strip()) or title_of(name),
                label=row.get(levels[-1], "").strip() or name,
                reviewed=reviewed if all(reviewed) else None,
                fixed=row.get("basis", "corrected").strip() == "corrected",
                scientific=row.get("scientific_name", "").strip(),
            )
        )
    return subjects


def title_of(name: str) -> str:
    """Return the page title to ask for a class name: without a leading number, with spaces."""
    return _composed(_NUMBER.sub("", name, count=1).replace("_", " ").strip())


def _composed(title: str) -> str:
    """Write accents as MediaWiki does (NFC), so that its answer names the title that was asked."""
    return unicodedata.normalize("NFC", title)


def _bare(name: str) -> Subject:
    return Subject(name=name, title=title_of(name), label=name)


def _rows(text: str, path: Path) -> tuple[list[int], list[dict[str, str]]]:
    """Return the rows of a CSV, and before them the line in which each ends."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    lines, rows = [], []
    try:
        for row in reader:
            lines.append(reader.line_num)
            if None in row:
                where = f"{path}, line {reader.line_num}"
                raise HiertaxError(f"{where}: more cells than columns; put names that hold commas in double quotes")
            rows.append({key: value or "" for key, value in row.items() if isinstance(key, str)})
    except csv.Error as error:
        raise HiertaxError(f"{path}, line {reader.line_num}: {error}; mend the CSV") from None
    if "class" not in (reader.fieldnames or ()):
        raise HiertaxError(f"{path}: has no column 'class'; name the columns in the first line")
    return lines, rows


def _refuse_repeated(subjects: Sequence[Subject], lines: Sequence[int], path: Path) -> None:
    for attribute in ("name", "label"):
        first: dict[str, int] = {}
        for line, subject in zip(lines, subjects, strict=True):
            value = getattr(subject, attribute)
            if value in first:
                raise HiertaxError(
                    f"{path}, line {line}: the {attribute} {value!r} is in line {first[value]} too; keep one"
                )
            first[value] = line
