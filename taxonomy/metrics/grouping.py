"""Samples that are equal in all that scores depend on, counted: there are few kinds, however many samples.

A resample of N samples is then a draw of how many are of each kind, from a multinomial distribution. That is the
bootstrap itself, not an approximation of it, at a cost that hardly depends on N.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taxonomy.hierarchy import IntArray

FloatArray = NDArray[np.float64]
CELLS: Final = 1 << 21  # counts drawn at a time: 16 MiB
_BITS: Final = 62


@dataclass(frozen=True, eq=False)
class Groups:
    """The kinds of N samples.

    Attributes
    ----------
    of
        int64 ``[N]``: the kind of each sample.
    first
        int64 ``[G]``: the first sample of each kind.
    counts
        int64 ``[G]``: how many samples are of each kind.
    """

    of: IntArray
    first: IntArray
    counts: IntArray


def group(columns: Sequence[NDArray[Any]]) -> Groups:
    """Group N samples, N at least 1, that are equal in every column.

    Parameters
    ----------
    columns
        Whole numbers from 0, or truth values, ``[N]`` each. Groups are in the order of the columns' values, so that
        the order of samples does not matter, unless there are more values than fit into one integer.
    """
    import pandas as pd  # a hash table is several times as fast as sorting

    code, bits = np.zeros(len(columns[0]), dtype=np.int64), 0
    for column in columns:
        width = int(column.max()).bit_length()
        if bits + width > _BITS:
            code = pd.factorize(code, sort=True)[0].astype(np.int64)
            bits = int(code.max()).bit_length()
        if width:
            code = (code << width) | column
            bits += width
    of, kinds = pd.factorize(code, sort=True)
    first = np.empty(len(kinds), dtype=np.int64)
    first[of[::-1]] = np.arange(len(of))[::-1]  # the last that is written stays
    return Groups(of.astype(np.int64), first, np.bincount(of))


def resamples(counts: IntArray, count: int, seed: int) -> Iterator[FloatArray]:
    """Draw as many as there are, with replacement, `count` times: how many are of each kind, blocks float64 ``[R, G]``.

    Parameters
    ----------
    counts
        int64 ``[G]``: how many there are of each kind.
    """
    rng = np.random.default_rng(seed)
    draw = _draw_single if (counts == 1).all() else _draw_kinds
    rows = max(CELLS // len(counts), 1)
    for start in range(0, count, rows):
        yield draw(rng, counts, min(rows, count - start)).astype(np.float64)


def _draw_kinds(rng: np.random.Generator, counts: IntArray, rows: int) -> IntArray:
    total = int(counts.sum())
    return rng.multinomial(total, counts / total, size=rows)


def _draw_single(rng: np.random.Generator, counts: IntArray, rows: int) -> IntArray:
    """Do the same where each is of its own kind, several times as fast."""
    kinds = len(counts)
    drawn = rng.integers(0, kinds, (rows, kinds)) + kinds * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * kinds).reshape(rows, kinds)
