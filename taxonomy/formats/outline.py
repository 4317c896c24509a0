"""Indented outlines: one taxon a line, below the last one that stands farther left.

Indented by blanks, by tabs, or by as many signs as the line is deep (``--Mallard``, ``## Mallard``, ``** Mallard``),
with or without a bullet before the name; the lines that programs draw trees with (``├── Mallard``) count as blanks.
Numbers before all names (``2.1 Mallard``) are left out. Written with tabs.
"""

from __future__ import annotations

import re

from taxonomy.document import shown
from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions, from_tree
from taxonomy.parents import MOST_LEVELS

_DRAWN = "│├└┣┗┃┝┕─━╰|`"  # as programs draw trees
_TREE = re.compile(f"[{_DRAWN} \\t\xa0-]*")
_BULLET = re.compile(r"([ \t]*)(?:[*+•\u2013\u2014-]+(?:[ \t]+|$))?(.*)")
_SIGNS = "-#*."  # repeated as often as a line is deep
_SIGNED = re.compile(rf"([{_SIGNS}]*)[ \t]*(.*)")
_DOUBLE = re.compile(rf"([{_SIGNS}])\1")
_CORNER = re.compile(r"^((?:[| ]*))[+\\](?=--)")  # as programs draw trees in ASCII
_NUMBERED = re.compile(r"\d+(?:\.\d+)*[.)]?[ \t]+(\D.*)")
_BELOW_NUMBER = re.compile(r"\d+\.\d")
_HEADING = re.compile(r"(#{1,6})[ \t]+(.*)")
_BELOW_HEADINGS = 7
_SPECIAL = re.compile(f"[{_DRAWN}\\s*+•\u2013\u2014#\\\\-]")


def write(hierarchy: Hierarchy) -> str:
    """Return the hierarchy as an outline indented by tabs, the root first.

    Raises
    ------
    HierarchyError
        If a name begins as an indent does, or holds a line break.
    """
    for name in (hierarchy.root, *(label for level in hierarchy.levels for label in level.labels)):
        if _SPECIAL.match(name) or "\t" in name or len(f"{name}.".splitlines()) > 1 or name != name.strip():
            raise HierarchyError(f"an outline cannot carry {shown(name)}; use another format")
    if all(_NUMBERED.fullmatch(name) for name in (hierarchy.root, *hierarchy.levels[0].labels)):
        raise HierarchyError("an outline cannot carry names that all begin with numbers; use another format")
    lines, path = [hierarchy.root], [-1] * hierarchy.depth
    children: list[list[list[int]]] = [[[] for _ in level.labels] for level in hierarchy.levels[:-1]]
    for k, level in enumerate(hierarchy.levels[1:]):
        for i, parent in enumerate(level.parents.tolist()):
            children[k][parent].append(i)
    pending = [(0, i) for i in reversed(range(len(hierarchy.levels[0])))]
    while pending:
        k, i = pending.pop()
        path[k] = i
        lines.append("\t" * (k + 1) + hierarchy.levels[k].labels[i])
        if k + 1 < hierarchy.depth:
            pending += [(k + 1, child) for child in reversed(children[k][i])]
    return "\n".join(lines) + "\n"


def read(text: str, reading: ImportOptions) -> Hierarchy:
    """Read an outline; a single line at the left is the root, several are the coarsest level.

    Raises
    ------
    HierarchyError
        If a line stands under none of the lines above it, or the indents mix blanks and tabs; if this breaks a rule.
    """
    lines = _lines(text)
    rooted = sum(indent == lines[0][1] for _, indent, _ in lines) == 1
    labels: list[str] = [] if rooted else [""]
    parents: list[int] = [] if rooted else [-1]
    above: list[tuple[int, int]] = []  # indent and node of the lines that this one may be under, from the left
    for number, indent, name in lines:
        dedented = bool(above) and above[-1][0] > indent
        while above and above[-1][0] > indent:
            above.pop()
        if dedented and not (above and above[-1][0] == indent):
            raise HierarchyError(f"line {number}: {shown(name)} is indented as no line above it; align it")
        if above and above[-1][0] == indent:
            above.pop()
        labels.append(name)
        parents.append(above[-1][1] if above else -1 if rooted else 0)
        above.append((indent, len(labels) - 1))
        if len(above) > MOST_LEVELS:
            raise HierarchyError(f"line {number}: more than {MOST_LEVELS} levels deep; cut the outline down")
    return from_tree(labels, parents, reading)


def looks_like(text: str) -> bool:
    """Tell whether a text is rather an outline than a table.

    That is indented lines of one name each below one that is not, or lines that all begin with numbers such as 2.1.
    """
    lines = [line for line in text.splitlines()[:1000] if line.strip()]
    indented = sum(line[0].isspace() or line[0] in f"{_DRAWN}-" or bool(_DOUBLE.match(line)) for line in lines)
    cells = sum(any(sign in line.strip() for sign in ",;\t") for line in lines)
    numbered = all(map(_NUMBERED.fullmatch, lines)) and any(map(_BELOW_NUMBER.match, lines))
    return (indented > 0 or numbered) and 4 * cells < len(lines)


def _lines(text: str) -> list[tuple[int, int, str]]:
    """Return number, indent and name of each line that is not blank."""
    raw = [(n, line.rstrip()) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not raw:
        raise HierarchyError("the outline has no line; give a name a line, indented below its parent")
    raw = [(n, _CORNER.sub(r"\1|", line)) for n, line in raw]
    is_indented = any(line[0].isspace() or line[0] in _DRAWN for _, line in raw)
    by_signs = not is_indented and any(line.startswith("-") or _DOUBLE.match(line) for _, line in raw)
    headed = any(_HEADING.fullmatch(line) for _, line in raw) and not all(line.startswith("#") for _, line in raw)
    found = [(n, *(_headed(line) if headed else _signed(line) if by_signs else _indented(line))) for n, line in raw]
    if tabbed := next((n for n, _, name in found if "\t" in name), None):
        raise HierarchyError(f"line {tabbed}: a tab within a name, so this is rather a table; keep the column of names")
    if all(_NUMBERED.fullmatch(name) for _, _, name in found):
        found = [_unnumbered(*line, by_number=not is_indented) for line in found]
    if any("\t" in indent for _, indent, _ in found) and any(" " in indent for _, indent, _ in found):
        n = next(n for n, indent, _ in found if "\t" in indent)
        raise HierarchyError(f"line {n}: the outline is indented by tabs and by blanks; use one of them throughout")
    if nameless := [n for n, _, name in found if not name]:
        raise HierarchyError(f"line {nameless[0]}: no name after the indent; name the taxon")
    if shallow := [n for n, indent, _ in found if len(indent) < len(found[0][1])]:
        raise HierarchyError(f"line {shallow[0]}: stands left of the first line; align the two")
    return [(n, len(indent), name) for n, indent, name in found]


def _signed(line: str) -> tuple[str, str]:
    match = _SIGNED.fullmatch(line)
    return (match[1], match[2]) if match else ("", line)


def _headed(line: str) -> tuple[str, str]:
    """Return indent and name in a text with headings of Markdown, which stand above all that is no heading."""
    if match := _HEADING.fullmatch(line):
        return match[1], match[2]
    indent, name = _indented(line)
    return "#" * _BELOW_HEADINGS + indent, name


def _unnumbered(number: int, indent: str, name: str, *, by_number: bool) -> tuple[int, str, str]:
    """Return a line without the number before its name; 2.1 stands below 2 where no line is indented."""
    parts = name.split()[0].strip(".)").count(".")
    return number, " " * parts if by_number else indent, _NUMBERED.sub(r"\1", name)


def _indented(line: str) -> tuple[str, str]:
    drawn = _TREE.match(line)
    start = drawn.end() if drawn else 0
    if any(sign in _DRAWN for sign in line[:start]):
        return " " * start, line[start:]
    match = _BULLET.fullmatch(line)
    return (match[1], match[2]) if match else ("", line)
