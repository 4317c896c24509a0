"""A deep fuzzy tree: kernelised fuzzy rough sets between classes, partitioned level by level.

Which parts are published and which are our reading of them is told in docs/clustering.md, "Deep fuzzy tree".
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from taxonomy.clustering.features import Features, Float32, Float64
from taxonomy.clustering.partition import Rule, by_rule, levelwise
from taxonomy.hierarchy import IntArray

Operator = Literal["sigma", "t"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)

Track = Callable[[Sequence[int]], Iterable[int]]

BLOCK_BYTES = 1 << 26  # of distances at a time
TABLE_BYTES = 1 << 29  # of nearest distances in memory; beyond this they live in a temporary file


@dataclass(frozen=True)
class FuzzyTree:
    """The groups of each class, int64 ``[C, levels - 1]`` coarsest first, and the kernel width used."""

    groups: IntArray
    delta: float


def deep_fuzzy_tree(
    features: Features,
    sizes: Sequence[int],
    *,
    rule: Rule = "spectral",
    operator: Operator = "sigma",
    nearest: int = 1,
    delta: float | None = None,
    seed: int = 0,
    track: Track = iter,
) -> FuzzyTree:
    """Group classes bottom-up by their fuzzy similarity, measured anew on the pooled samples of each group.

    Parameters
    ----------
    sizes
        Number of groups per level, coarsest first; ``louvain`` finds its own.
    operator, nearest
        See `fuzzy_similarity`; `nearest` above 1 is the robust form.
    delta
        Kernel width; `median_miss` of the features if not given.
    track
        Wraps the blocks of the long part, to show progress.
    """
    table = nearest_distances(unit_samples(features.features), features.labels, nearest, track)
    delta = median_miss(table, features.labels) if delta is None else delta

    def similarity(groups: IntArray) -> Float64:
        directed = fuzzy_similarity(table, features.labels, groups, delta=delta, operator=operator)
        return (directed + directed.T) / 2

    return FuzzyTree(levelwise(len(features.classes), sizes, similarity, by_rule(rule, seed)), delta)


def nearest_distances(samples: Float32, labels: IntArray, nearest: int = 1, track: Track = iter) -> Float32:
    """Return for every sample its smallest squared distances to each class.

    Blocked matrix products; what float32 cannot tell from zero is zero. A table above `TABLE_BYTES` is
    kept in a temporary file.

    Parameters
    ----------
    samples, labels
        ``[N, D]`` and ``[N]``, sorted by label, every class with a sample.
    nearest
        How many per class, m.

    Returns
    -------
    float32 ``[N, C, m]``; infinite where a class has fewer than m samples.
    """
    centred = samples - samples.mean(axis=0, dtype=np.float64).astype(np.float32)
    norm = np.einsum("ij,ij->i", centred, centred)
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    noise = 8 * np.finfo(np.float32).eps * norm.max()
    table = _table((len(samples), len(starts), nearest))
    step = max(1, BLOCK_BYTES // (4 * len(samples)))
    for first in track(range(0, len(samples), step)):
        rows = slice(first, first + step)
        block = (-2 * centred[rows]) @ centred.T
        block += norm
        least = _smallest(block, starts, nearest)
        least += norm[rows, None, None]
        table[rows] = np.where(least < noise, 0, least)
    return table


def median_miss(table: Float32, labels: IntArray) -> float:
    """Return the median over samples of the squared distance to the nearest sample of another class.

    Where classes share so many samples that this is 0, the median of the misses that are not; 1 where
    all are 0 or there is one class only.
    """
    if table.shape[1] == 1:
        return 1.0
    misses = np.empty(len(table))
    for rows, block in _row_blocks(table):
        block = block.min(axis=2)
        block[np.arange(len(block)), labels[rows]] = np.inf
        misses[rows] = block.min(axis=1)
    median = float(np.median(misses))
    if median > 0:
        return median
    return float(np.median(misses[misses > 0])) if misses.any() else 1.0


def fuzzy_similarity(
    table: Float32, labels: IntArray, groups: IntArray, *, delta: float, operator: Operator = "sigma"
) -> Float64:
    """Return how far the samples of one group possibly belong to another.

    With the kernel ``k = exp(-d^2 / delta)``, the mean over the samples of the first group of the mean
    over their nearest samples in the second of ``1 - sqrt(1 - k^2)`` (operator ``sigma``: the sigma-upper
    approximation of Hu, Yu, Pedrycz & Chen 2011) or of ``k`` (``t``: the T-upper approximation).

    Parameters
    ----------
    table, labels
        As of `nearest_distances`; its m is the number of nearest samples.
    groups
        int64 ``[C]``: the group of each class, numbered from 0 without a gap.

    Returns
    -------
    float64 ``[G, G]``, in [0, 1], 1 on the diagonal; not symmetric.
    """
    count, nearest = int(groups.max()) + 1, table.shape[2]
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(count)) * nearest
    samples = np.bincount(groups[labels], minlength=count)
    total = np.zeros((count, count))
    for rows, block in _row_blocks(table):
        pooled = block[:, order].reshape(len(block), -1)
        belongs = upper(_smallest(pooled, starts, nearest).astype(np.float64), delta, operator).sum(axis=2)
        np.add.at(total, groups[labels[rows]], belongs)
    mean: Float64 = total / samples[:, None] / np.minimum(samples, nearest)
    np.fill_diagonal(mean, 1)
    return mean


def upper(squared: Float64, delta: float, operator: Operator) -> Float64:
    """Return the upper approximation at a squared distance to the nearest member of a class.

    The lower approximations of the complement are 1 minus these (Hu et al. 2011). ``1 - sqrt(1 - k^2)``
    is computed as ``k^2 / (1 + sqrt(1 - k^2))``, which loses no digits for small k.
    """
    kernel: Float64 = np.exp(-squared / delta)
    if operator == "t":
        return kernel
    sigma: Float64 = kernel**2 / (1 + np.sqrt(np.clip(-np.expm1(-2 * squared / delta), 0, 1)))
    return sigma


def unit_samples(samples: Float32) -> Float32:
    """Scale samples to length 1; zero samples stay zero."""
    length = np.sqrt(np.einsum("ij,ij->i", samples, samples, dtype=np.float64))
    return (samples / np.where(length > 0, length, 1)[:, None].astype(np.float32)).astype(np.float32)


def _smallest(block: Float32, starts: IntArray, nearest: int) -> Float32:
    """Return the smallest values among the columns of each group, ``[b, G, m]``, padded with infinity."""
    if nearest == 1:
        return np.minimum.reduceat(block, starts, axis=1)[:, :, None]
    result = np.full((len(block), len(starts), nearest), np.inf, dtype=np.float32)
    for i, columns in enumerate(np.split(block, starts[1:], axis=1)):
        kept = min(nearest, columns.shape[1])
        result[:, i, :kept] = np.partition(columns, kept - 1, axis=1)[:, :kept]
    return result


def _table(shape: tuple[int, int, int]) -> Float32:
    if 4 * np.prod(shape, dtype=np.int64) <= TABLE_BYTES:
        return np.empty(shape, dtype=np.float32)
    with tempfile.TemporaryFile() as file:  # the mapping keeps the unnamed file until it is let go
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)


def _row_blocks(table: Float32) -> Iterator[tuple[slice, Float32]]:
    step = max(1, BLOCK_BYTES // (8 * table.shape[1] * table.shape[2]))
    for first in range(0, len(table), step):
        rows = slice(first, first + step)
        yield rows, np.array(table[rows])
