"""Newick trees, as read by programs for phylogenies.

Grammar and quoting after Olsen's "Interpretation of the Newick's 8:45 tree format standard" (1990): a label
stands in single quotes where it holds blanks, punctuation or underscores, a quote within it is doubled;
in an unquoted label an underscore means a blank; comments in square brackets and branch lengths are
skipped. Labels in quotes may hold line ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import Reading, from_tree

_PLAIN = re.compile(r"[A-Za-z0-9.+-]+")
_TOKEN = re.compile(
    r"(?P<space>\s+)|'(?P<quoted>[^']*(?:''[^']*)*)'|(?P<mark>[(),:;])|(?P<plain>[^\s()\[\]':;,][^()\[\]':;,]*)"
)


def write(hierarchy: Hierarchy) -> str:
    """Return the hierarchy as one Newick tree with all inner nodes named."""
    texts = [_quote(label) for label in hierarchy.levels[-1].labels]
    for k in range(hierarchy.depth - 1, 0, -1):
        order = np.argsort(hierarchy.levels[k].parents, kind="stable")
        cuts = np.cumsum(np.bincount(hierarchy.levels[k].parents))[:-1]
        groups = [",".join(texts[i] for i in group) for group in np.split(order, cuts)]
        labels = hierarchy.levels[k - 1].labels
        texts = [f"({group}){_quote(label)}" for group, label in zip(groups, labels, strict=True)]
    return f"({','.join(texts)}){_quote(hierarchy.root)};\n"


def _quote(label: str) -> str:
    return label if _PLAIN.fullmatch(label) else "'" + label.replace("'", "''") + "'"


def read(text: str, reading: Reading) -> Hierarchy:
    """Read one Newick tree; its root label, if any, is the root.

    Raises
    ------
    HierarchyError
        If the text is not one Newick tree, with the offset; if a taxon has no name, or a rule is broken.
    """
    labels, parents = _parse(text)
    for node, label in enumerate(labels):
        if not label and parents[node] >= 0:
            inner = node in parents
            hint = f" (above {labels[parents.index(node)] or 'another'!r})" if inner else ""
            raise HierarchyError(f"{'an inner node' if inner else 'a leaf'} has no name{hint}; name every node")
    return from_tree(labels, parents, reading)


def _parse(text: str) -> tuple[list[str], list[int]]:
    """Return names and parents of the nodes, the root first; unnamed ones are ''."""
    labels, parents, node = [""], [-1], 0
    before = "("  # what came before: a mark, or 'label'
    for at, kind, piece in _tokens(text):
        if before == ";":
            raise HierarchyError(f"offset {at}: more text after the tree; keep one tree in a file")
        if before == ":":
            _branch_length(at, kind, piece)
            before = "length"
            continue
        if kind == "label":
            if before not in "(,)":
                raise HierarchyError(f"offset {at}: {piece!r} follows another label; put a comma between the two")
            labels[node], before = piece, "label"
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
    return labels, parents


def _new(labels: list[str], parents: list[int], parent: int) -> int:
    labels.append("")
    parents.append(parent)
    return len(labels) - 1


def _branch_length(at: int, kind: str, piece: str) -> None:
    try:
        float(piece if kind == "label" else "no number")
    except ValueError:
        raise HierarchyError(f"offset {at}: {piece!r} is no branch length; quote labels that hold a colon") from None


def _tokens(text: str) -> Iterator[tuple[int, str, str]]:
    at = 0
    while at < len(text):
        if text[at] == "[":
            at = _after_comment(text, at)
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            raise HierarchyError(f"offset {at}: {text[at]!r} opens or closes nothing; check quotes and brackets")
        if (quoted := match["quoted"]) is not None:
            yield at, "label", quoted.replace("''", "'")
        elif (plain := match["plain"]) is not None:
            yield at, "label", plain.rstrip().replace("_", " ")
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
