"""What is worth knowing about the shape of a sound tree; none of it is wrong."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from taxonomy.document import Document, Place, shown
from taxonomy.rules import Finding
from taxonomy.validation.names import some


def shape(document: Document, place: Place) -> Iterator[Finding]:
    """Yield the levels with single children, and those of which one taxon holds half of the classes."""
    below = np.ones(len(document.levels[-1].labels), dtype=np.int64)  # classes under each taxon
    for i in range(len(document.levels) - 1, 0, -1):
        level, above = document.levels[i], document.levels[i - 1]
        parents = np.asarray([] if level.parents is UNSET else level.parents, dtype=np.int64)
        children = np.bincount(parents, minlength=len(above.labels))
        single = np.flatnonzero(children == 1).tolist()
        if single:
            message = (
                f"{len(single)} of {len(above.labels)} labels of level {shown(above.name)} have one {level.name} only: "
            )
            yield Finding(
                "single-child", place(i - 1, "labels", None), message + some([above.labels[j] for j in single])
            )
        below = np.bincount(parents, weights=below, minlength=len(above.labels)).astype(np.int64)
        yield from _uneven(above.labels, above.name, below, place(i - 1, "labels", int(below.argmax())))


def _uneven(labels: list[str], level: str, below: NDArray[np.int64], place: str) -> Iterator[Finding]:
    largest, total = int(below.argmax()), int(below.sum())
    if len(labels) > 1 and 2 * below[largest] >= total:
        share = f"{below[largest]} of {total} classes ({100 * below[largest] / total:.1f} %)"
        yield Finding("uneven-sizes", place, f"{level} {shown(labels[largest])} holds {share}")
