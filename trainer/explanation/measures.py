"""Maps in numbers: how much of an image each level looks at, and how far two levels look at the same."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def level_pairs(depth: int) -> list[tuple[int, int]]:
    """Return the pairs of K levels, the coarser of each first."""
    return list(combinations(range(depth), 2))


def masks_of(maps: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Return where maps ``[..., S, S]`` with maximum 1 are at least `threshold`; nowhere in a map of zeros."""
    return (maps >= threshold) & (maps > 0)


def areas_of(masks: NDArray[np.bool_]) -> Floats:
    """Return the share of the image that each mask ``[..., S, S]`` takes, ``[...]``."""
    return np.asarray(masks.mean(axis=(-2, -1)), dtype=np.float64)


def overlaps_of(masks: NDArray[np.bool_]) -> Floats:
    """Return the intersection over union of each pair of levels.

    Parameters
    ----------
    masks
        bool ``[N, K, S, S]``.

    Returns
    -------
    float64 ``[N, P]`` for the P pairs of `level_pairs`; NaN where both masks are empty.
    """
    pairs = level_pairs(masks.shape[1])
    found = np.full((len(masks), len(pairs)), np.nan)
    for at, (coarse, fine) in enumerate(pairs):
        union = (masks[:, coarse] | masks[:, fine]).sum(axis=(1, 2))
        both = (masks[:, coarse] & masks[:, fine]).sum(axis=(1, 2))
        np.divide(both, union, out=found[:, at], where=union > 0)
    return found
