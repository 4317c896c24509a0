"""Files that may be broken, read into a `Draft`: what could be made of them, and what is wrong so far.

Nothing here raises for what a file holds. A draft looks like a hierarchy file but need not be a tree; it
knows the place of each of its entries, as a JSON path or as a line of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from taxonomy import formats
from taxonomy.document import Document, Place, check_placement, check_shape, json_place
from taxonomy.errors import HiertaxError
from taxonomy.formats import MOST_BYTES, edges
from taxonomy.formats.lineage_csv import unreadable
from taxonomy.formats.parent_child_csv import columns
from taxonomy.formats.table import parse
from taxonomy.formats.text import decode as text_of
from taxonomy.leveling import ImportOptions
from taxonomy.rules import Finding
from taxonomy.validation import lineages, parent_child

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
    """Read a hierarchy file, a table or an edge list, however broken it is, or a file of another format."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)  # a pipe or a device may never end
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return Draft(findings=[Finding("unreadable", "file", f"cannot be read: {reason}")])
    known = path.suffix.lower() == ".json"  # of which the format is told without decoding all of it
    kind = formats.guess(path, content) if known or _too_large(content, _FOREIGN) is None else None
    if kind is not None and kind not in _TABLES and not (known and _too_large(content, _FOREIGN)):
        return read_foreign(content, kind)
    return _READERS.get(path.suffix.lower(), _sniffed)(content)


def read_foreign(content: bytes, kind: str) -> Draft:
    """Read the bytes of a file in another tool's format; what its reader refuses is the one finding."""
    reading = ImportOptions()
    try:
        document = formats.decode(content, kind, reading).to_document()
        return Draft(document, [Finding("assumed", "file", note) for note in reading.notes])
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
        return _from_json(content)
    except UnicodeDecodeError as error:
        return Draft(findings=[_not_utf8(error)])
    except (msgspec.DecodeError, RecursionError) as error:
        return Draft(findings=[Finding("not-json", "file", str(error) or "broken JSON")])


def _from_json(content: bytes) -> Draft:
    try:
        document = msgspec.json.decode(content, type=Document)
    except msgspec.ValidationError:  # decoded once more, for every reason and its place
        return Draft(findings=list(check_shape(msgspec.json.decode(content))))
    return Draft(document, list(check_placement(document)))


def read_table(content: bytes) -> Draft:
    """Read the bytes of a table of lineages, a parent-child table or an edge list."""
    if large := _too_large(content, {",": CELL, ";": CELL, "\t": CELL, "|": CELL, "\n": ROW, "\r": ROW}):
        return Draft(findings=[large])
    try:
        text, encoding = text_of(content)
    except HiertaxError as error:
        return Draft(findings=[Finding("not-utf8", "file", str(error))])
    if other := unreadable(text):
        return Draft(findings=[Finding("not-importable", "file", other)])
    listed = edges.looks_like(text)
    try:
        table = edges.table(text, ImportOptions()) if listed else parse(text)
    except HiertaxError as error:
        rule, what = ("not-importable", "edge list") if listed else ("not-csv", "broken table")
        return Draft(findings=[Finding(rule, "file", f"{what}: {error}")])
    if encoding is not None:
        table = table.noting(f"the text is read as {encoding}")
    if any(finding.rule == "bad-header" for finding in table.findings):
        return Draft(findings=table.findings)
    return Draft(*(parent_child if columns(table.header) else lineages).read(table))


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


_TABLES = ("lineage-csv", "parent-child-csv", "edges")
_READERS: dict[str, Callable[[bytes], Draft]] = {
    ".json": read_json,
    **dict.fromkeys((".csv", ".tsv", ".tab"), read_table),
}
