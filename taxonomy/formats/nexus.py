"""NEXUS files, of which the one tree is read: block ``trees``, with its table of translations.

Commands, quotes, comments and the tree itself follow Maddison, Swofford and Maddison, "NEXUS: an extensible file
format for systematic information" (1997); the tree is Newick (`taxonomy.formats.newick`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from taxonomy.document import shown
from taxonomy.errors import HierarchyError
from taxonomy.formats import newick
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions

_START = re.compile(r"\s*#NEXUS\b", re.IGNORECASE)
_HEAD = re.compile(r"(?:\[[^\]]*\]|'[^']*'|[^\['=])*=")


def write(hierarchy: Hierarchy) -> str:
    """Return the hierarchy as a NEXUS file with one rooted tree, all inner nodes named."""
    return f"#NEXUS\nbegin trees;\n\ttree hierarchy = [&R] {newick.write(hierarchy)}end;\n"


def read(text: str, reading: ImportOptions) -> Hierarchy:
    """Read the tree of a NEXUS file.

    Raises
    ------
    HierarchyError
        If it is no NEXUS file with one tree, or the tree is none, or breaks a rule.
    """
    if not (start := _START.match(text)):
        raise HierarchyError("not NEXUS: it does not begin with #NEXUS; give a file that does")
    names: dict[str, str] = {}
    trees: list[str] = []
    inside = False
    for words, source in _commands(text, start.end()):
        first = words[0].casefold() if words else ""
        if first in ("begin", "beginblock"):
            inside = len(words) > 1 and words[1].casefold() == "trees"
        elif first in ("end", "endblock"):
            inside = False
        elif inside and first == "translate":
            names = _translations(words[1:])
        elif inside and first in ("tree", "utree"):
            trees.append(source)
    if len(trees) != 1:
        raise HierarchyError(f"a block trees with {len(trees)} trees; keep one")
    head = _HEAD.match(trees[0])
    nodes = newick.parse(trees[0][head.end() :] if head else "")
    return newick.of_nodes(nodes._replace(labels=[names.get(label, label) for label in nodes.labels]), reading)


def _commands(text: str, start: int) -> Iterator[tuple[list[str], str]]:
    """Yield the words of every command, and its text with the semicolon at its end."""
    words: list[str] = []
    begin, body = start, text[start:]
    for at, kind, piece in newick.tokens(body):
        if (kind, piece) == ("mark", ";"):
            yield words, text[begin : start + at + 1]
            words, begin = [], start + at + 1
        else:
            words += piece.split() if kind == "plain" else [piece]


def _translations(words: list[str]) -> dict[str, str]:
    """Return the names of a table of translations, in which commas separate pairs of key and name."""
    names: dict[str, str] = {}
    pair: list[str] = []
    for word in [*words, ","]:
        if word != ",":
            pair.append(word)
        elif len(pair) == 1:
            raise HierarchyError(f"translate: {shown(pair[0])} has no name; write pairs of a key and a name")
        elif pair:
            names[pair[0]] = " ".join(pair[1:])
            pair = []
    return names
