"""Files that may be broken, read into a `Draft`: what could be made of them, and what is wrong so far.

Nothing here raises for what a file holds. A draft looks like a hierarchy file but need not be a tree; it
knows the place of each of its entries, as a JSON path or as a line of a table.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from taxonomy import formats
from taxonomy.document import Document, Place, json_place, misplaced, misshapen
from taxonomy.errors import HiertaxError
from taxonomy.leveling import Reading
from taxonomy.rules import Finding
from taxonomy.validation import lineages, parent_child
from taxonomy.validation.tables import Row, Table

MOST_BYTES = 256 * 2**20
MOST_MEMORY = 900 * 2**20
_FOREIGN = {",": 400, "(": 400, "{": 400}
VALUE, CELL, ROW = 118, 70, 700  # bytes that a JSON value, a cell and a row of a table take at most, once parsed


@dataclass(frozen=True)
class Draft:
    """A hierarchy that is not yet proven sound.

    Attributes
    ----------
    document
        Its levels, labels, parents and classes, if anything could be made of the file.
    findings
        What is wrong with the file itself, or with the table it came from.
    place
        Names the place of an entry of the document.
    """

    document: Document | None = None
    findings: Iterable[Finding] = ()
    place: Place = json_place


def read(path: Path) -> Draft:
    """Read a hierarchy file, a lineage table or a parent-child table, however broken it is."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)  # a pipe or a device may never end
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return Draft(findings=[Finding("unreadable", "file", f"cannot be read: {reason}")])
    kind = _foreign(path, content)
    return read_foreign(content, kind) if kind else _READERS.get(path.suffix.lower(), _sniffed)(content)


def _foreign(path: Path, content: bytes) -> str | None:
    """Tell the format of a file that is neither a hierarchy file nor a table."""
    kind = formats.guess(path, content) if _too_large(content, _FOREIGN) is None else None
    return None if kind in ("lineage-csv", "parent-child-csv") else kind


def read_foreign(content: bytes, kind: str) -> Draft:
    """Read the bytes of a file in another tool's format; what its reader refuses is the one finding."""
    try:
        return Draft(formats.decode(content, kind, Reading()).to_document())
    except HiertaxError as error:
        return Draft(findings=[Finding("not-importable", "file", f"not to be read as {kind}: {error}")])


def _sniffed(content: bytes) -> Draft:
    reader = read_json if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[", b"") else read_table
    return reader(content)


def read_json(content: bytes) -> Draft:
    """Read the bytes of a hierarchy file."""
    if large := _too_large(content, {",": VALUE, "[": VALUE, "{": VALUE}):
        return Draft(findings=[large])
    if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return Draft(findings=[Finding("not-utf8", "byte 0", "begins with a byte-order mark")])
    try:
        raw = msgspec.json.decode(content)
        return _from_json(raw)
    except UnicodeDecodeError as error:
        return Draft(findings=[_not_utf8(error)])
    except (msgspec.DecodeError, RecursionError) as error:
        return Draft(findings=[Finding("not-json", "file", str(error) or "broken JSON")])


def _from_json(raw: Any) -> Draft:
    try:
        document = msgspec.convert(raw, Document)
    except msgspec.ValidationError:
        return Draft(findings=list(misshapen(raw)))
    if isinstance(raw.get("version"), bool):
        return Draft(findings=list(misshapen(raw)))
    return Draft(document, list(misplaced(document)))


def read_table(content: bytes) -> Draft:
    """Read the bytes of a lineage table or a parent-child table, CSV."""
    if large := _too_large(content, {",": CELL, "\n": ROW, "\r": ROW}):
        return Draft(findings=[large])
    try:
        table = _parse_csv(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return Draft(findings=[_not_utf8(error)])
    except csv.Error as error:
        return Draft(findings=[Finding("not-csv", "file", f"broken CSV: {error}")])
    if findings := list(_header(table)):
        return Draft(findings=findings)
    edges = "parent" in table.header and not set(parent_child.CHILD).isdisjoint(table.header)
    reader = parent_child if edges else lineages
    return Draft(*reader.read(table))


def _parse_csv(text: str) -> Table:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(reader, [])
    rows, line = [], reader.line_num
    for cells in reader:
        if cells:  # a blank line is nothing
            rows.append(Row(line + 1, cells))
        line = reader.line_num
    return Table(header, rows)


def _header(table: Table) -> list[Finding]:
    names = table.header
    for sign, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and sign in names[0]:
            return [
                Finding("bad-header", "line 1", f"one column only: the cells are separated by {word}, not by commas")
            ]
    findings = [
        Finding("bad-header", f"line 1, column {k + 1}", "a column has no name")
        for k, name in enumerate(names)
        if not name.strip()
    ]
    for k, name in enumerate(names):
        if name.strip() and name in names[:k]:
            findings.append(Finding("bad-header", f"line 1, column {k + 1}", f"two columns are called {name!r}"))
    return findings if names else [Finding("bad-header", "line 1", "there is no header")]


def _too_large(content: bytes, costs: dict[str, int]) -> Finding | None:
    """Refuse what would not fit into memory once parsed, judged by how often each separator occurs."""
    signs = content.translate(None, bytes(set(range(256)) - set("".join(costs).encode())))  # one pass over all of it
    memory = sum(signs.count(sign.encode()) * cost for sign, cost in costs.items())
    if len(content) <= MOST_BYTES and memory <= MOST_MEMORY:
        return None
    size = (
        f"{len(content) / 2**20:,.0f} MB" if len(content) <= MOST_BYTES else f"more than {MOST_BYTES / 2**20:,.0f} MB"
    )
    return Finding("too-large", "file", f"{size} of text, about {memory / 2**20:,.0f} MB or more once parsed")


def _not_utf8(error: UnicodeDecodeError) -> Finding:
    return Finding("not-utf8", f"byte {error.start}", f"not UTF-8: {error.reason}")


_READERS: dict[str, Callable[[bytes], Draft]] = {".json": read_json, ".csv": read_table}
