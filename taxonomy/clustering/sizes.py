"""How many groups each level gets; sizes go from the coarsest level to the finest induced one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from taxonomy.clustering.cut import cut
from taxonomy.clustering.features import Float64
from taxonomy.errors import HiertaxError

Sizes = tuple[int, ...]


def geometric(classes: int, levels: int) -> Sizes:
    """Return ``classes ** (k / levels)`` rounded, k = 1 .. levels - 1; 2 at least."""
    return tuple(min(classes, max(2, round(classes ** (k / levels)))) for k in range(1, levels))


def like(reference: Sequence[int], levels: int) -> Sizes:
    """Return the sizes of another hierarchy, leaf level left out.

    Where it has fewer levels than asked, the widest step between two of its levels gets the geometric
    mean in between, as often as needed: 9 and 196 become 9, 42 and 196.

    Raises
    ------
    HiertaxError
        If it has more levels than asked.
    """
    sizes = list(reference)
    if len(sizes) > levels:
        raise HiertaxError(f"the hierarchy to be like has {len(sizes)} levels; ask for --levels {len(sizes)}")
    while len(sizes) < levels:
        below = [1, *sizes] if len(sizes) == 1 else sizes
        step = max(range(len(below) - 1), key=lambda i: below[i + 1] / below[i])
        place = step + len(sizes) - len(below) + 1
        sizes.insert(place, round(math.sqrt(below[step] * below[step + 1])))
    return tuple(sizes[:-1])


def gap(linkage: Float64, levels: int) -> Sizes:
    """Return for each level the number of groups before the largest relative jump in merge height.

    Looked for between half and twice the geometric size of the level, see `geometric`.
    """
    heights = np.concatenate([[0.0], linkage[:, 2]])
    n = len(heights)

    def jump(groups: int) -> float:
        last, following = heights[n - groups], heights[min(n - groups + 1, n - 1)]
        return math.inf if last == 0 < following else 1.0 if last == 0 else float(following / last)

    return _best(n, levels, jump)


def silhouette(linkage: Float64, distance: Float64, levels: int) -> Sizes:
    """Return for each level the number of groups with the largest mean silhouette (Rousseeuw 1987).

    Looked for between half and twice the geometric size of the level, see `geometric`.

    Parameters
    ----------
    distance
        float64 ``[C, C]``: the distances the linkage was made from.
    """
    from sklearn.metrics import silhouette_score

    n = len(distance)

    def score(groups: int) -> float:
        if not 2 <= groups < n:
            return -1.0
        return float(silhouette_score(distance, cut(linkage, groups), metric="precomputed"))

    return _best(n, levels, score)


def checked(sizes: Sequence[int], classes: int) -> Sizes:
    """Return the sizes if as many groups can be made and nested.

    Raises
    ------
    HiertaxError
        If a level has no group, more groups than there are classes, or fewer than a coarser level.
    """
    listed = ", ".join(map(str, sizes))
    if min(sizes) < 1:
        raise HiertaxError(f"sizes {listed}: a level needs a group; give numbers from 1")
    if max(sizes) > classes:
        raise HiertaxError(f"sizes {listed}: {max(sizes)} groups of {classes} classes; ask for {classes} at most")
    if list(sizes) != sorted(sizes):
        raise HiertaxError(f"sizes {listed}: a finer level has fewer groups than a coarser; list the coarsest first")
    return tuple(sizes)


def _best(n: int, levels: int, score: Callable[[int], float]) -> Sizes:
    """Return for each level the best scored number in its window, the smallest of equals."""
    sizes: list[int] = []
    for middle in geometric(n, levels):
        lowest = max(*sizes, middle // 2, min(2, n)) if sizes else max(middle // 2, min(2, n))
        window = range(lowest, min(2 * middle, max(n - 1, lowest)) + 1)
        sizes.append(max(window, key=score))
    return tuple(sizes)
