"""Newick trees, as read by programs for phylogenies.

Grammar and quoting after Olsen's "Interpretation of the Newick's 8:45 tree format standard" (1990): a label
stands in single quotes where it holds blanks, punctuation or underscores, a quote within it is doubled;
in an unquoted label an underscore means a blank; comments in square brackets and branch lengths are
skipped. Labels in quotes may hold line ends.

Inner nodes of phylogenies often bear a support value in the place of a name (``0.98``, ``95.2/100``), or before it
(``100.0:g__Aus``). Such a number is no name, unless it stands in quotes or the leaves are numbers too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import numpy as np

from taxonomy.document import shown
from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions, from_tree

_PLAIN = re.compile(r"[A-Za-z0-9.+-]+")
_RANKED = re.compile(r"[a-z]__")  # the prefix of a rank is none of two blanks
_SUPPORT = re.compile(r"(?:-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|[nN]a[nN])%?(?:/\d+(?:\.\d*)?%?)*")
_VALUED = re.compile(rf"{_SUPPORT.pattern}(?::(?P<name>.*))?", re.DOTALL)
_TOKEN = re.compile(
    r"(?P<space>\s+)|'(?P<quoted>[^']*(?:''[^']*)*)'|(?P<mark>[(),:;])|(?P<plain>[^\s()\[\]':;,][^()\[\]':;,]*)"
)


def write(hierarchy: Hierarchy) -> str:
    """Return the hierarchy as one Newick tree with all inner nodes named, numbers in quotes.

    Raises
    ------
    HierarchyError
        If the name of an inner node begins as a support value does, so that it would not be read as it is.
    """
    inner = (hierarchy.root, *(label for level in hierarchy.levels[:-1] for label in level.labels))
    if unfit := next((label for label in inner if ":" in label and _VALUED.fullmatch(label)), None):
        raise HierarchyError(f"Newick cannot carry {shown(unfit)} on an inner node; use another format")
    texts = [_quote(label) for label in hierarchy.levels[-1].labels]
    for k in range(hierarchy.depth - 1, 0, -1):
        order = np.argsort(hierarchy.levels[k].parents, kind="stable")
        cuts = np.cumsum(np.bincount(hierarchy.levels[k].parents))[:-1]
        groups = [",".join(texts[i] for i in group) for group in np.split(order, cuts)]
        labels = hierarchy.levels[k - 1].labels
        texts = [f"({group}){_quote(label)}" for group, label in zip(groups, labels, strict=True)]
    return f"({','.join(texts)}){_quote(hierarchy.root)};\n"


def _quote(label: str) -> str:
    plain = _PLAIN.fullmatch(label) and not _SUPPORT.fullmatch(label)
    return label if plain else "'" + label.replace("'", "''") + "'"


def read(text: str, reading: ImportOptions) -> Hierarchy:
    """Read one Newick tree; its root label, if any, is the root.

    Raises
    ------
    HierarchyError
        If the text is not one Newick tree, with the offset; if a taxon has no name, or a rule is broken.
    """
    return of_nodes(parse(text), reading)


class Nodes(NamedTuple):
    """The nodes of a tree, the root first: names ('' for none), parents (-1 for none), and which names were quoted."""

    labels: list[str]
    parents: list[int]
    quoted: set[int]


def of_nodes(nodes: Nodes, reading: ImportOptions) -> Hierarchy:
    """Build the hierarchy of a parsed tree: support values taken off, inner nodes named where that is asked for.

    Raises
    ------
    HierarchyError
        If a taxon has no name, or a rule is broken.
    """
    parents, inner = nodes.parents, set(nodes.parents)
    labels = [label.strip() for label in nodes.labels]
    leaves = [label for node, label in enumerate(labels) if node not in inner]
    if not all(_SUPPORT.fullmatch(label) for label in leaves):
        labels = _without_support(labels, inner, nodes.quoted, reading)
    unnamed = [node for node, label in enumerate(labels) if not label and parents[node] >= 0]
    if leaf := next((node for node in unnamed if node not in inner), None):
        raise HierarchyError(f"a leaf has no name, under {shown(labels[parents[leaf]])}; name every leaf")
    if unnamed and not reading.name_inner:
        above = labels[parents.index(unnamed[0])] or "another"
        raise HierarchyError(
            f"an inner node has no name (above {shown(above)}), and {len(unnamed)} have none; "
            "name every node, or let `name_inner` make up names"
        )
    if unnamed:
        taken = set(labels)
        fresh = (name for i in count(1) if (name := f"node {i}") not in taken)
        for node, name in zip(unnamed, fresh, strict=False):
            labels[node] = name
        reading.notes.append(f"inner nodes without a name, called 'node 1' and so on: {len(unnamed)}")
    return from_tree(labels, parents, reading)


def _without_support(labels: list[str], inner: set[int], quoted: set[int], reading: ImportOptions) -> list[str]:
    """Return the labels without the support values of inner nodes."""
    found = {
        node: match
        for node in inner - {-1}
        if (match := _VALUED.fullmatch(labels[node])) and (match["name"] is not None or node not in quoted)
    }
    if found:
        reading.notes.append(f"numbers on inner nodes read as support values, not as names: {len(found)}")
    return [(found[node]["name"] or "").strip() if node in found else label for node, label in enumerate(labels)]


def parse(text: str) -> Nodes:
    """Return the nodes of one tree.

    Raises
    ------
    HierarchyError
        If the text is not one Newick tree, with the offset.
    """
    labels, parents, node = [""], [-1], 0
    quoted: set[int] = set()
    before = "("  # what came before: a mark, or 'label'
    for at, kind, piece in tokens(text):
        if before == ";":
            raise HierarchyError(f"offset {at}: more text after the tree; keep one tree in a file")
        if before == ":":
            if kind != "mark" and _SUPPORT.fullmatch(labels[node]) and not _is_number(piece):
                labels[node], before = f"{labels[node]}:{piece}", "label"  # a support value, and then the name
                continue
            _branch_length(at, kind, piece)
            before = "length"
            continue
        if kind != "mark":
            if before not in "(,)":
                raise HierarchyError(f"offset {at}: {shown(piece)} follows another label; put a comma between the two")
            labels[node], before = piece, "label"
            if kind == "quoted":
                quoted.add(node)
            continue
        if piece == "(" and before in "(,":
            node = _new(labels, parents, node)
        elif piece == "," and parents[node] >= 0:
            node = _new(labels, parents, parents[node])
        elif piece == ")" and parents[node] >= 0:
            node = parents[node]
        elif not (piece == ":" or (piece == ";" and node == 0)):
            raise HierarchyError(f"offset {at}: {piece!r} has no place here; check the brackets")
        before = piece
    if before != ";":
        raise HierarchyError("the tree does not end with ';'; the text may be cut short")
    return Nodes(labels, parents, quoted)


def _new(labels: list[str], parents: list[int], parent: int) -> int:
    labels.append("")
    parents.append(parent)
    return len(labels) - 1


def _branch_length(at: int, kind: str, piece: str) -> None:
    if kind == "mark" or not _is_number(piece):
        raise HierarchyError(f"offset {at}: {shown(piece)} is no branch length; quote labels that hold a colon")


def _is_number(piece: str) -> bool:
    try:
        float(piece)
    except ValueError:
        return False
    return True


def tokens(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield offset, kind (``quoted``, ``plain`` or ``mark``) and text of the pieces of a tree, without comments."""
    at = 0
    while at < len(text):
        if text[at] == "[":
            at = _after_comment(text, at)
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            raise HierarchyError(f"offset {at}: {text[at]!r} opens or closes nothing; check quotes and brackets")
        if (quoted := match["quoted"]) is not None:
            yield at, "quoted", quoted.replace("''", "'")
        elif (plain := match["plain"]) is not None:
            name = plain.rstrip()
            yield at, "plain", name if _RANKED.match(name) else name.replace("_", " ")
        elif (mark := match["mark"]) is not None:
            yield at, "mark", mark
        at = match.end()


def _after_comment(text: str, at: int) -> int:
    depth = 0
    for match in re.compile(r"[\[\]]").finditer(text, at):
        depth += 1 if match[0] == "[" else -1
        if depth == 0:
            return match.end()
    raise HierarchyError(f"offset {at}: a comment is never closed; add the ']'")
