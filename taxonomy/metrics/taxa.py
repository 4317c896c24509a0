"""Tables of single taxa: how well each is told, and which are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taxonomy.hierarchy import Hierarchy, IntArray

if TYPE_CHECKING:
    from pandas import DataFrame

FloatArray = NDArray[np.float64]
Z = 1.959963984540054  # of 95 %


class LabelCounts(NamedTuple):
    """How often each of C labels is true, predicted, and both, int64 ``[C]``; samples of unknown truth do not count."""

    true: IntArray
    predicted: IntArray
    right: IntArray

    @property
    def f1(self) -> FloatArray:
        """The harmonic mean of precision and recall; NaN for a label that is neither true nor predicted."""
        return _ratio(2 * self.right, self.true + self.predicted)


def label_counts(truth: IntArray, predicted: IntArray, size: int) -> LabelCounts:
    """Count the labels of a level, of which there are `size`, in truth and prediction ``[N]``."""
    known = truth >= 0
    true, said = truth[known], predicted[known]
    return LabelCounts(*(np.bincount(column, minlength=size) for column in (true, said, true[true == said])))


def taxa_table(hierarchy: Hierarchy, truth: IntArray, predicted: IntArray) -> DataFrame:
    """Return a table with a row for every taxon of every level: how well it is told.

    Its columns are ``level``, ``taxon``, ``parent``, ``class`` (the dataset's name, at the finest level), ``images``
    (how many are of it), ``predicted`` (how many are taken for it), ``right``, ``recall`` with its bounds of 95 %
    (``recall_low`` and ``recall_high``; Wilson 1927), ``precision``, ``f1``, ``mistaken_for`` (what it is most often
    taken for) and ``mistaken`` (how often).

    Parameters
    ----------
    truth, predicted
        int64 ``[N, K]``; a true label may be unknown (-1), and then does not count at that level.
    """
    from pandas import concat

    parts = [_taxa_of_level(hierarchy, truth[:, k], predicted[:, k], k) for k in range(hierarchy.depth)]
    table: DataFrame = concat(parts, ignore_index=True)
    return table


def _taxa_of_level(hierarchy: Hierarchy, truth: IntArray, predicted: IntArray, k: int) -> DataFrame:
    from pandas import DataFrame

    level, last = hierarchy.levels[k], hierarchy.depth - 1
    counts = label_counts(truth, predicted, len(level))
    names = np.array(level.labels, dtype=object)
    above = np.array(hierarchy.levels[k - 1].labels if k else [hierarchy.root], dtype=object)[level.parents]
    low, high = wilson(counts.right, counts.true)
    commonest, times = _commonest_mistakes(truth, predicted, len(level))
    return DataFrame(
        {
            "level": level.name,
            "taxon": names,
            "parent": above,
            "class": np.array(hierarchy.classes, dtype=object) if k == last else "",
            "images": counts.true,
            "predicted": counts.predicted,
            "right": counts.right,
            "recall": _ratio(counts.right, counts.true),
            "recall_low": low,
            "recall_high": high,
            "precision": _ratio(counts.right, counts.predicted),
            "f1": counts.f1,
            "mistaken_for": np.where(times > 0, names[commonest], ""),
            "mistaken": times,
        }
    )


def wilson(right: IntArray, of: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the bounds of 95 % of shares ``[C]`` (Wilson 1927); NaN where there is nothing to share."""
    n = np.where(of > 0, of, np.nan)
    share = right / n
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return np.clip(np.minimum(middle - half, share), 0, 1), np.clip(np.maximum(middle + half, share), 0, 1)


def confusions(hierarchy: Hierarchy, truth: IntArray, predicted: IntArray) -> DataFrame:
    """Return a table of which taxa are taken for which others, at every level, the commonest first.

    Its columns are ``level``, ``true``, ``predicted``, ``images``, ``share`` (of the images of the true taxon) and
    ``shared`` (the finest taxon above both, the root where there is none).

    Parameters
    ----------
    truth, predicted
        As of `taxa_table`.
    """
    from pandas import concat

    parts = [_confusions_of_level(hierarchy, truth[:, k], predicted[:, k], k) for k in range(hierarchy.depth)]
    table: DataFrame = concat(parts, ignore_index=True)
    return table


def _confusions_of_level(hierarchy: Hierarchy, truth: IntArray, predicted: IntArray, k: int) -> DataFrame:
    from pandas import DataFrame

    true, said, times = _mistakes(truth, predicted, len(hierarchy.levels[k]))
    order = np.argsort(-times, kind="stable")
    true, said, times = true[order], said[order], times[order]
    names = np.array(hierarchy.levels[k].labels, dtype=object)
    images = np.bincount(truth[truth >= 0], minlength=len(names))
    return DataFrame(
        {
            "level": hierarchy.levels[k].name,
            "true": names[true],
            "predicted": names[said],
            "images": times,
            "share": _ratio(times, images[true]),
            "shared": _shared(hierarchy, true, said, k),
        }
    )


def _mistakes(truth: IntArray, predicted: IntArray, size: int) -> tuple[IntArray, IntArray, IntArray]:
    """Return the pairs of true and wrongly predicted labels, in their order, and how often each occurs."""
    wrong = (truth >= 0) & (truth != predicted)
    pairs, times = np.unique(truth[wrong] * size + predicted[wrong], return_counts=True)
    return pairs // size, pairs % size, times


def _commonest_mistakes(truth: IntArray, predicted: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """Return for each label what it is most often taken for, of equals the first, and how often; 0 and 0 if never."""
    true, said, times = _mistakes(truth, predicted, size)
    commonest, most = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    order = np.lexsort((-said, times))  # what is written last stays
    commonest[true[order]], most[true[order]] = said[order], times[order]
    return commonest, most


def _shared(hierarchy: Hierarchy, a: IntArray, b: IntArray, k: int) -> NDArray[np.object_]:
    """Return the name of the finest taxon above labels `a` and `b` of level `k`."""
    shared = np.full(len(a), hierarchy.root, dtype=object)
    for above in range(k):
        ancestor = hierarchy.ancestors(k, above)
        same = ancestor[a] == ancestor[b]
        shared[same] = np.array(hierarchy.levels[above].labels, dtype=object)[ancestor[a[same]]]
    return shared


def _ratio(part: IntArray, whole: IntArray) -> FloatArray:
    shares: FloatArray = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return shares
