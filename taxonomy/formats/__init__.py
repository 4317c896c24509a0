"""Hierarchies in the formats of other tools: one module per format, writing and, where it can, reading.

Some formats carry less than the hierarchy file does; `Format.loses` says what.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from taxonomy.errors import HierarchyError, HiertaxError
from taxonomy.files import read_bytes
from taxonomy.formats import dot, hiclass_labels, html, inat, lineage_csv, newick, node_link, parent_child_csv
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import Reading


@dataclass(frozen=True)
class Format:
    """A format: its file suffixes, the first of them usual; what it does not carry; how to write and read it."""

    suffixes: tuple[str, ...]
    loses: str
    write: Callable[[Hierarchy], str | bytes]
    read: Callable[[str, Reading], Hierarchy] | Callable[[bytes, Reading], Hierarchy] | None = None


_NAMES = "name and source"
FORMATS = {
    "lineage-csv": Format((".csv",), f"the root, {_NAMES}", lineage_csv.write, lineage_csv.read),
    "parent-child-csv": Format((".csv",), f"the root, {_NAMES}", parent_child_csv.write, parent_child_csv.read),
    "newick": Format((".nwk", ".newick"), f"level names, class names, {_NAMES}", newick.write, newick.read),
    "node-link": Format((".json",), "", node_link.write, node_link.read),
    "hiclass": Format((".npy",), f"level names, class names, the root, {_NAMES}",
                      hiclass_labels.write, hiclass_labels.read),
    "inat": Format((".json",), f"the root, {_NAMES}", inat.write, inat.read),
    "dot": Format((".dot", ".gv"), "", dot.write),
    "html": Format((".html",), "", html.write),
}  # fmt: skip


def load(path: str | Path, reading: Reading | None = None, kind: str | None = None) -> Hierarchy:
    """Read a hierarchy file, or any format that can be read.

    Parameters
    ----------
    reading
        What the input cannot say itself; see `Reading`.
    kind
        A key of `FORMATS`; told by the file's suffix and content where not given.

    Raises
    ------
    HierarchyError
        If the file cannot be read or breaks a rule: the file, the place, the reason and the cure.
    """
    path, reading = Path(path), reading or Reading()
    content = read_bytes(path)
    kind = kind or guess(path, content)
    if kind is None:
        return Hierarchy.load(path)
    try:
        return decode(content, kind, replace(reading, fallback=path.stem or reading.fallback))
    except HiertaxError as error:
        raise HierarchyError(f"{path}: {error}") from None


def decode(content: bytes, kind: str, reading: Reading) -> Hierarchy:
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
    if fmt.suffixes == (".npy",):
        return hiclass_labels.read(content, reading)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HierarchyError(f"not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    return fmt.read(text, reading)  # type: ignore[arg-type]  # every other reader takes text


def encode(hierarchy: Hierarchy, kind: str) -> bytes:
    """Return the hierarchy as the content of a file of the format `kind`; text is UTF-8."""
    content = FORMATS[kind].write(hierarchy)
    return content.encode() if isinstance(content, str) else content


def guess(path: Path, content: bytes) -> str | None:
    """Tell the format of a file by its suffix and content; None for a hierarchy file, or where it may be one."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return "parent-child-csv" if parent_child_csv.is_header(content) else "lineage-csv"
    if suffix == ".json":
        if node_link.looks_like(content):
            return "node-link"
        return "inat" if inat.looks_like(content) else None
    return next((name for name, fmt in FORMATS.items() if suffix in fmt.suffixes), None)
