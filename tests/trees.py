"""Trees that several tests share: the worked example of docs/methods.md, and random ones."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from taxonomy import Hierarchy, Level

WORKED = Hierarchy.from_lineages(
    [("O1", "F1", "a"), ("O1", "F1", "b"), ("O1", "F2", "c"), ("O2", "F3", "d"), ("O2", "F3", "e")],
    ("order", "family", "species"),
    classes=("1.a", "2.b", "3.c", "4.d", "5.e"),
    name="worked",
    root="bird",
    source={"kind": "test", "command": "none"},
)  # docs/methods.md, "Metrics": O1 holds F1 (a, b) and F2 (c); O2 holds F3 (d, e)


@st.composite
def hierarchies(draw: st.DrawFn, min_depth: int = 1) -> Hierarchy:
    """Any sound tree of up to four levels and some dozen leaves, its labels in any order and script."""
    sizes = sorted(draw(st.lists(st.integers(1, 12), min_size=min_depth, max_size=4)))
    levels = []
    for k, size in enumerate(sizes):
        above = sizes[k - 1] if k else 1
        more = draw(st.lists(st.integers(0, above - 1), min_size=size - above, max_size=size - above)) if k else []
        parents = draw(st.permutations([*range(above), *more])) if k else [0] * size
        word = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=3))
        labels = tuple(f"{word}{k}.{i}" for i in range(size))
        levels.append(Level(f"level {k}", labels, np.array(parents, dtype=np.int64)))
    classes = tuple(f"class {i}" for i in draw(st.permutations(range(sizes[-1]))))
    return Hierarchy(name="random", root="thing", levels=tuple(levels), classes=classes)
