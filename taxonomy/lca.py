"""Lowest common ancestors of many pairs of leaves: each path is one integer, so that two look-ups make one answer.

The code of a leaf holds, for each level from the coarsest down, the bits of its taxon's rank among the siblings.
Two leaves share their taxon of a level where their codes differ in the bits of finer levels only. This is the
longest common prefix of two paths, read off the highest bit of their exclusive or.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taxonomy.threads import on_all_cores

IntArray = NDArray[np.int64]
BLOCK: Final = 1 << 14  # samples worked on at a time, so that what is intermediate stays in the processor's cache
SHARE: Final = 1 << 20  # samples that a thread works on
MOST_BITS, MOST_LEVELS = 63, 127


@dataclass(frozen=True, eq=False)
class PathCodes:
    """The code of each leaf, uint32 or uint64 ``[C]``, and for each level the first value beyond its finer bits."""

    code: NDArray[Any]
    ends: tuple[Any, ...]

    def lca_level(self, a: IntArray, b: IntArray) -> NDArray[np.int8]:
        """Return the level of the lowest common ancestor of leaves `a` and `b` ``[N]``, -1 for the root."""
        differ = self.code[a]
        differ ^= self.code[b]
        level = np.full(len(differ), -1, dtype=np.int8)
        shared = np.empty(len(differ), dtype=np.bool_)
        for end in self.ends:
            np.less(differ, end, out=shared)
            level += shared.view(np.int8)  # as bytes: adding truth values would convert them first
        return level


def path_codes(paths: IntArray, parents: Sequence[IntArray]) -> PathCodes | None:
    """Return the codes of all paths ``[C, K]``, None for a tree so deep or wide that they fit into no integer."""
    ranks = [_rank_among_siblings(above) for above in parents]
    widths = [int(rank.max()).bit_length() for rank in ranks]
    if sum(widths) > MOST_BITS or len(widths) > MOST_LEVELS:
        return None
    kind = np.dtype(np.uint32 if sum(widths) < 32 else np.uint64).type
    code = np.zeros(len(paths), dtype=kind)
    for rank, width, column in zip(ranks, widths, paths.T, strict=True):
        code = (code << kind(width)) | rank[column].astype(kind)
    return PathCodes(code, tuple(kind(1 << sum(widths[k + 1 :])) for k in range(len(widths))))


def lca_level(paths: IntArray, codes: PathCodes | None, a: ArrayLike, b: ArrayLike) -> IntArray:
    """Return the level of the lowest common ancestor of leaves `a` and `b`, of shapes that broadcast together."""
    a, b = np.broadcast_arrays(a, b)
    one, two = a.reshape(-1), b.reshape(-1)
    level = np.empty(len(one), dtype=np.int64)

    def fill(start: int) -> None:
        for first in range(start, min(start + SHARE, len(level)), BLOCK):
            block = slice(first, first + BLOCK)
            if codes is None:
                level[block] = np.cumprod(paths[one[block]] == paths[two[block]], axis=1).sum(axis=1) - 1
            else:
                level[block] = codes.lca_level(one[block], two[block])

    shares = range(0, len(level), SHARE)
    deque((on_all_cores if len(shares) > 1 else map)(fill, shares), maxlen=0)
    return level.reshape(a.shape)


def _rank_among_siblings(parents: IntArray) -> IntArray:
    """Return for each label how many earlier ones have its parent, int64 ``[C]``."""
    order = np.argsort(parents, kind="stable")
    counts = np.bincount(parents)
    rank = np.empty_like(parents)
    rank[order] = np.arange(len(parents)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank
