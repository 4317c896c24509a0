"""Hierarchies in the formats of other tools: one module per format, writing and, where it can, reading.

Some formats carry less than the hierarchy file does; `Format.loses` says what.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from taxonomy.document import FORMAT, shown
from taxonomy.errors import HierarchyError, HiertaxError
from taxonomy.formats import (
    dot,
    edges,
    hiclass_labels,
    html,
    inat,
    lineage_csv,
    nested_json,
    newick,
    nexus,
    node_link,
    outline,
    parent_child_csv,
    table_files,
)
from taxonomy.formats.table import first_row
from taxonomy.formats.text import decode as text_of
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions
from taxonomy.ranks import is_placeholder


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes
    ----------
    suffixes
        Of its files, the first of them usual.
    loses
        What it does not carry.
    write, read
        How to write it, and to read it, if it can be read: from text, or from bytes where it is `binary`.
    takes
        The settings of `ImportOptions` that mean something for this format alone.
    """

    suffixes: tuple[str, ...]
    loses: str
    write: Callable[[Hierarchy], str | bytes]
    read: Callable[[str, ImportOptions], Hierarchy] | Callable[[bytes, ImportOptions], Hierarchy] | None = None
    takes: tuple[str, ...] = ()
    binary: bool = False


_NAMES = "name and source"
_TREE = f"level names, class names, {_NAMES}"
_TABLE = f"the root, {_NAMES}"
_TEXT = ("delimiter", "encoding")
FORMATS = {
    "lineage-csv": Format((".csv", ".tsv", ".tab", ".txt"), _TABLE, lineage_csv.write, lineage_csv.read,
                          ("class_column", "header", *_TEXT)),
    "parent-child-csv": Format((".csv", ".tsv", ".tab", ".txt"), _TABLE, parent_child_csv.write, parent_child_csv.read,
                               ("parents", *_TEXT)),
    "edges": Format((".txt", ".edges"), _TREE, edges.write, edges.read,
                    ("edges", "labels", "parents", "depths", *_TEXT)),
    "newick": Format((".nwk", ".newick", ".tre", ".tree"), _TREE, newick.write, newick.read,
                     ("name_inner", "depths", "encoding")),
    "nexus": Format((".nex", ".nexus", ".nxs"), _TREE, nexus.write, nexus.read, ("name_inner", "depths", "encoding")),
    "outline": Format((".outline", ".md"), _TREE, outline.write, outline.read, ("depths", "encoding")),
    "nested-json": Format((".json",), f"level names, {_NAMES}", nested_json.write, nested_json.read,
                          ("depths", "encoding")),
    "node-link": Format((".json",), "", node_link.write, node_link.read, ("parents", "depths", "encoding")),
    "hiclass": Format((".npy",), f"level names, class names, the root, {_NAMES}",
                      hiclass_labels.write, hiclass_labels.read, binary=True),
    "parquet": Format((".parquet",), _TABLE, table_files.write_parquet, table_files.read_parquet,
                      ("class_column", "parents"), binary=True),
    "xlsx": Format((".xlsx", ".xlsm"), _TABLE, table_files.write_xlsx, table_files.read_xlsx,
                   ("class_column", "parents"), binary=True),
    "inat": Format((".json",), _TABLE, inat.write, inat.read, ("encoding",)),
    "dot": Format((".dot", ".gv"), "", dot.write),
    "html": Format((".html",), "", html.write),
}  # fmt: skip
_BY_LINEAGE = ("lineage-csv", "parquet", "xlsx", "hiclass", "inat")
MOST_BYTES = 256 * 2**20  # of a file
MOST_MARKS = 5_000_000  # of the signs that open a node or a cell, of a tree in text
_SUFFIXES = {suffix for fmt in FORMATS.values() for suffix in fmt.suffixes}


def load(path: str | Path, reading: ImportOptions | None = None, kind: str | None = None) -> Hierarchy:
    """Read a hierarchy file, or any format that can be read.

    Parameters
    ----------
    reading
        What the input cannot say itself; see `ImportOptions`. Its `notes` tell afterwards what was assumed.
    kind
        A key of `FORMATS`; told by the file's suffix and content where not given.

    Raises
    ------
    HierarchyError
        If the file cannot be read or breaks a rule: the file, the place, the reason and the cure.
    """
    path, reading = Path(path), reading or ImportOptions()
    content = read_limited(path)
    try:
        kind = kind or guess(path, content)
        if kind is not None:
            return decode(content, kind, replace(reading, fallback=path.stem or reading.fallback))
    except HiertaxError as error:
        raise HierarchyError(f"{path}: {error}") from None
    return Hierarchy.load(path)


def read_limited(path: Path) -> bytes:
    """Return the content of a file.

    Raises
    ------
    HierarchyError
        If it cannot be read, or is larger than any hierarchy; a pipe or a device may never end.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise HierarchyError(f"{path}: {getattr(error, 'strerror', None) or error}; check the path") from None
    if len(content) > MOST_BYTES:
        raise HierarchyError(f"{path}: more than {MOST_BYTES // 2**20} MB; cut the file down to what names the taxa")
    return content


def read_text(path: Path) -> str:
    """Return the text of a file of names, in the encoding that is found.

    Raises
    ------
    HierarchyError
        If it cannot be read, is too large, or is no text.
    """
    content = read_limited(path)
    try:
        return text_of(content)[0]
    except HierarchyError as error:
        raise HierarchyError(f"{path}: {error}") from None


def decode(content: bytes, kind: str, reading: ImportOptions) -> Hierarchy:
    """Read the content of a file of the format `kind`.

    Raises
    ------
    HierarchyError
        If it is not of that format, cannot be read, or breaks a rule.
    """
    fmt = FORMATS[kind]
    if fmt.read is None:
        able = ", ".join(name for name, other in FORMATS.items() if other.read)
        raise HierarchyError(f"{kind} can be written but not read; formats to read are {able}")
    if fmt.binary:
        return _sound(fmt.read(content, reading))  # type: ignore[arg-type]  # it takes bytes
    text, encoding = text_of(content, reading.encoding)
    if encoding is not None:
        reading.notes.append(f"the text is read as {encoding}")
    if (marks := max(map(text.count, "(,{[\n"))) > MOST_MARKS:
        raise HierarchyError(f"{marks} nodes or cells are too many; cut the file down")
    return _sound(fmt.read(text, reading))  # type: ignore[arg-type]  # it takes text


def _sound(hierarchy: Hierarchy) -> Hierarchy:
    """Return a hierarchy whose texts can be written: JSON and arrays may hold half a character."""
    try:
        texts = (hierarchy.name, hierarchy.root, hierarchy.dataset or "", *hierarchy.classes)
        "".join([*texts, *(text for level in hierarchy.levels for text in (level.name, *level.labels))]).encode()
        msgspec.json.encode(dict(hierarchy.source))
    except (UnicodeEncodeError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise HierarchyError(f"it holds what no file can: {error}; correct it where it was made") from None
    return hierarchy


def encode(hierarchy: Hierarchy, kind: str) -> bytes:
    """Return the hierarchy as the content of a file of the format `kind`; text is UTF-8.

    Raises
    ------
    HierarchyError
        If the format cannot carry a name of this hierarchy.
    """
    _refuse_gaps(hierarchy, kind)
    content = FORMATS[kind].write(hierarchy)
    return content.encode() if isinstance(content, str) else content


def _refuse_gaps(hierarchy: Hierarchy, kind: str) -> None:
    """Refuse a name that the reader would take for a gap; in a tree without ranks a leaf may be called so."""
    if FORMATS[kind].read is None:
        return
    levels = hierarchy.levels if kind in _BY_LINEAGE else hierarchy.levels[:-1]
    if name := next((label for level in levels for label in level.labels if is_placeholder(label)), None):
        raise HierarchyError(f"{kind} cannot carry {shown(name)}, which is read as a gap; rename the taxon")


def guess(path: Path, content: bytes) -> str | None:
    """Tell the format of a file by its suffix and content; None for a hierarchy file, or where it may be one."""
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _of_json(content)
    told = next((name for name, fmt in FORMATS.items() if suffix in fmt.suffixes), None)
    return _of_text(content, tabular=suffix in (".csv", ".tsv", ".tab")) if told in (None, "lineage-csv") else told


def _of_json(content: bytes) -> str | None:
    """Tell the format of JSON, without parsing it, by its keys; None for a hierarchy file, which says what it is."""
    if f'"{FORMAT}"'.encode() in content:
        return None
    if node_link.looks_like(content):
        return "node-link"
    if nested_json.looks_like(content):
        return "nested-json"
    return "inat" if inat.looks_like(content) else None


def _of_text(content: bytes, *, tabular: bool) -> str | None:
    """Tell the format of text by its beginning; None for a hierarchy file, whatever it is called, and for nothing."""
    first = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if first[:1] in (b"{", b"[", b""):
        return _of_json(content)
    if not tabular and first[:1] == b"(":
        return "newick"
    if first[:6].upper() == b"#NEXUS":
        return "nexus"
    try:
        text, _ = text_of(content)
        start = text[: 2**16]
        if edges.looks_like(text):
            return "edges"
        if not tabular and outline.looks_like(start):
            return "outline"
        return "parent-child-csv" if parent_child_csv.columns(first_row(start)) else "lineage-csv"
    except HierarchyError:
        return "lineage-csv"  # whose reader says what is wrong
