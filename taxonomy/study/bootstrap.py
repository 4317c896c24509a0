"""Intervals that respect that the responses of a person, and those to an image, are alike.

Whole people are drawn again with replacement (cluster bootstrap), or people and, independently, images (two-way, or
pigeonhole, bootstrap, which errs on the wide side). Percentile intervals of few clusters are too narrow; ours are taken
further out by the factor sqrt(n / (n - 1)) and Student's t in place of the normal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxonomy.hierarchy import IntArray

FloatArray = NDArray[np.float64]
RESAMPLES: Final = 2000
FEWEST: Final = 5  # people that an interval takes: of fewer there are too few different resamples
LEVEL: Final = 0.95
_CHUNK: Final = 200  # resamples at a time, which bounds the memory


def resampled(counts: NDArray[np.generic], rng: np.random.Generator, resamples: int = RESAMPLES) -> FloatArray:
    """Return the totals of people drawn again with replacement.

    Parameters
    ----------
    counts
        ``[P, C]``: counts of each person.

    Returns
    -------
    float64 ``[resamples, C]``.
    """
    return _weights(len(counts), resamples, rng) @ np.asarray(counts, dtype=np.float64)


def resampled_both_ways(
    person: IntArray, image: IntArray, cells: IntArray, rng: np.random.Generator, resamples: int = RESAMPLES
) -> FloatArray:
    """Return the totals of people and images both drawn again.

    Parameters
    ----------
    person, image
        int64 ``[R]``: whose each response is, and to which image.
    cells
        ``[R, C]``: what each response counts for.

    Returns
    -------
    float64 ``[resamples, C]``.
    """
    from scipy import sparse

    size = int(person.max()) + 1, int(image.max()) + 1
    columns = [sparse.csr_array((column.astype(float), (person, image)), shape=size) for column in cells.T]
    parts = []
    for count in _chunks(resamples):
        people, images = _weights(size[0], count, rng), _weights(size[1], count, rng)
        parts.append(np.stack([np.einsum("bi,bi->b", people @ column, images) for column in columns], axis=1))
    return np.concatenate(parts)


def interval(draws: FloatArray, clusters: int | IntArray, level: float = LEVEL) -> tuple[FloatArray, FloatArray]:
    """Return the lower and the upper ends of intervals from resampled shares.

    Parameters
    ----------
    draws
        float64 ``[resamples, ...]``; NaN where a resample gave no share, which is passed over.
    clusters
        How many people (both ways: the fewer of people and images) each share rests on, ``[...]`` or the same of all.

    Returns
    -------
    Two of float64 ``[...]``, NaN where nothing can be said: of fewer than `FEWEST` clusters, and where all draws are
    alike, which tells that the clusters were, and not how sure that is.
    """
    from scipy import stats

    rests_on = np.broadcast_to(clusters, draws.shape[1:])
    ends = np.full((2, *draws.shape[1:]), np.nan)
    for count in np.unique(rests_on[rests_on >= FEWEST]).tolist():
        further = np.sqrt(count / (count - 1)) * stats.t.ppf((1 + level) / 2, count - 1)
        tail = stats.norm.sf(further)
        known = (rests_on == count) & ~np.isnan(draws).all(axis=0)
        ends[:, known] = np.nanquantile(draws[:, known], [tail, 1 - tail], axis=0)
    ends[:, ends[0] == ends[1]] = np.nan
    return ends[0], ends[1]


def _weights(clusters: int, resamples: int, rng: np.random.Generator) -> FloatArray:
    """Return how often each cluster is drawn in each resample, float64 ``[resamples, clusters]``."""
    return rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples).astype(np.float64)


def _chunks(total: int) -> Iterator[int]:
    for start in range(0, total, _CHUNK):
        yield min(_CHUNK, total - start)
