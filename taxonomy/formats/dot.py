"""DOT, the language of Graphviz: a picture by ``dot -Tsvg`` or ``twopi -Tsvg``."""

from __future__ import annotations

from collections.abc import Iterator

from taxonomy.hierarchy import Hierarchy


def write(hierarchy: Hierarchy) -> str:
    """Return the hierarchy as a directed graph, one rank per level, drawn from left to right."""
    return "\n".join(["digraph {", *_lines(hierarchy), "}"]) + "\n"


def _lines(hierarchy: Hierarchy) -> Iterator[str]:
    yield f"  label={_quote(hierarchy.name)};"
    yield "  graph [rankdir=LR, nodesep=0.08, ranksep=1.2];"
    yield '  node [shape=plaintext, fontname="Helvetica", fontsize=11, height=0.2, margin="0.05,0.02"];'
    yield '  edge [arrowhead=none, color="#888888"];'
    yield f"  root [label={_quote(hierarchy.root)}];"
    for k, level in enumerate(hierarchy.levels):
        yield f"  // {k}"
        for i, (label, parent) in enumerate(zip(level.labels, level.parents.tolist(), strict=True)):
            above = f"n{k - 1}_{parent}" if k else "root"
            yield f"  {above} -> n{k}_{i}; n{k}_{i} [label={_quote(label)}, tooltip={_quote(level.name)}];"


def _quote(text: str) -> str:
    """Quote a label: Graphviz reads backslash sequences in labels, and ends a string only at a bare quote."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r\n", "\n").replace("\r", "\n")
    return '"' + escaped.replace("\n", "\\n").replace("\0", "") + '"'
