"""Scores of samples, and of resamples of them: the bootstrap, over samples and over classes.

Predictions that are to be compared are scored on the same resamples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from taxonomy.hierarchy import Hierarchy, IntArray
from taxonomy.metrics.grouping import Groups, group, resamples
from taxonomy.metrics.measures import Family, Measure, distance_family, label_family
from taxonomy.metrics.predictions import Predictions

FloatArray = NDArray[np.float64]


class Sampled(NamedTuple):
    """A score, and what it is on each of R resamples.

    Attributes
    ----------
    value
        The score.
    by_sample, by_class
        float64 ``[R]``: the score where samples, or all samples of one truth at once, are drawn with replacement. NaN
        where a resample has no such score, and where there is one class only, which says nothing of others.
    """

    value: float
    by_sample: FloatArray
    by_class: FloatArray


Scored = dict[Measure, Sampled]


def sample_scores(
    hierarchy: Hierarchy, truth: IntArray, predictions: Sequence[Predictions], count: int, seed: int
) -> list[Scored]:
    """Score predictions of the same samples, and on `count` resamples that all of them share.

    Parameters
    ----------
    truth
        int64 ``[N, K]``, N at least 1; a true label may be unknown (-1).
    """
    classes = group([column + 1 for column in truth.T])
    scored: list[Scored] = [{} for _ in predictions]
    families = [[label_family(hierarchy, truth, each.labels) for each in predictions]]
    ranked = sorted(set.intersection(*(set(each.distances) for each in predictions)))
    families += [[distance_family(truth, each.distances[k], k) for each in predictions] for k in ranked]
    for same in families:
        _add(scored, _sample_families(same, classes, count, seed))
    for k, level in enumerate(hierarchy.levels):
        right = [each.labels[:, k] == truth[:, k] for each in predictions]
        found = _sample_macro(truth[:, k], right, classes, count, seed)
        _add(scored, [{Measure("accuracy", level.name, average="macro"): macro} for macro in found])
    return scored


def _add(scored: list[Scored], more: Iterable[Scored]) -> None:
    for known, found in zip(scored, more, strict=True):
        known.update(found)


def _sample_families(families: Sequence[Family], classes: Groups, count: int, seed: int) -> list[Scored]:
    """Score the same family of several predictions, in one pass over the kinds of samples."""
    kinds = group([column for family in families for column in family.columns.values()])
    rows = [{name: column[kinds.first] for name, column in family.columns.items()} for family in families]
    terms = [family.terms(row) for family, row in zip(families, rows, strict=True)]
    names = [(i, name) for i, each in enumerate(terms) for name in each]
    stacked = np.stack([terms[i][name] for i, name in names], axis=1)
    sums = (
        (kinds.counts @ stacked)[None],
        _totals(kinds.counts, stacked, count, seed),
        _totals(np.ones_like(classes.counts), _of_classes(classes, kinds, stacked), count, seed),
    )
    found = []
    for i, family in enumerate(families):
        own = [{name: each[:, at] for at, (j, name) in enumerate(names) if j == i} for each in sums]
        point, by_sample, by_class = map(family.measures, own)
        found.append({m: Sampled(float(point[m][0]), by_sample[m], _several(by_class[m], classes)) for m in point})
    return found


def _totals(counts: IntArray, terms: FloatArray, count: int, seed: int) -> FloatArray:
    """Return the sums over each resample of terms ``[G, S]`` of the kinds of what is drawn, ``[R, S]``."""
    nothing = np.empty((0, terms.shape[1]))
    return np.concatenate([nothing, *(drawn @ terms for drawn in resamples(counts, count, seed))])


def _of_classes(classes: Groups, kinds: Groups, terms: FloatArray) -> FloatArray:
    """Sum terms of kinds ``[G, S]`` over the samples of each class, ``[C, S]``."""
    from scipy.sparse import coo_array

    shape = (len(classes.counts), len(kinds.counts))
    how_many = coo_array((np.ones(len(kinds.of)), (classes.of, kinds.of)), shape=shape).tocsr()
    return np.asarray(how_many @ terms)


def _several(drawn: FloatArray, classes: Groups) -> FloatArray:
    return drawn if len(classes.counts) > 1 else np.full_like(drawn, np.nan)


def _sample_macro(
    truth: IntArray, right: Sequence[NDArray[np.bool_]], classes: Groups, count: int, seed: int
) -> list[Sampled]:
    """Return of each prediction the mean over true labels of the share that is right, of labels that occur."""
    known = truth >= 0
    if not known.any():
        return [Sampled(np.nan, np.full(count, np.nan), np.full(count, np.nan)) for _ in right]
    hits = [each[known] for each in right]
    kinds = group([truth[known], *hits])
    of_kinds = _Units(truth[known][kinds.first], np.ones(len(kinds.counts)), [each[kinds.first] for each in hits])
    sizes = np.bincount(classes.of[known], minlength=len(classes.counts))
    of_class = [np.bincount(classes.of[known], weights=each, minlength=len(sizes)) for each in hits]
    of_classes = _Units(truth[classes.first], sizes, of_class)
    points = of_kinds.macro(kinds.counts[None].astype(np.float64))
    by_sample = _concatenated([of_kinds.macro(drawn) for drawn in resamples(kinds.counts, count, seed)], len(hits))
    drawn_classes = resamples(np.ones_like(classes.counts), count, seed)
    by_class = _concatenated([of_classes.macro(drawn) for drawn in drawn_classes], len(hits))
    return [
        Sampled(float(point[0]), one, _several(two, classes))
        for point, one, two in zip(points, by_sample, by_class, strict=True)
    ]


def _concatenated(parts: Sequence[Sequence[FloatArray]], several: int) -> list[FloatArray]:
    return [np.concatenate([np.empty(0), *(part[i] for part in parts)]) for i in range(several)]


class _Units:
    """What is drawn as one: samples, all with one label, and how many of them each prediction has right."""

    def __init__(self, label: IntArray, samples: NDArray[np.generic], right: Sequence[NDArray[np.generic]]) -> None:
        order = np.argsort(label, kind="stable")
        self.order = order[label[order] >= 0]
        ordered = label[self.order]
        self.starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        self.samples = samples[self.order].astype(np.float64)
        self.right = [each[self.order].astype(np.float64) for each in right]

    def macro(self, drawn: FloatArray) -> list[FloatArray]:
        """Average each prediction's shares over labels, for how often each unit was drawn, ``[R, U]``, to ``[R]``."""
        ordered = drawn[:, self.order]
        there = np.add.reduceat(ordered * self.samples, self.starts, axis=1)
        occurs = there > 0
        labels = occurs.sum(axis=1)
        found = []
        for right in self.right:
            hits = np.add.reduceat(ordered * right, self.starts, axis=1)
            shares = np.divide(hits, there, out=np.zeros_like(hits), where=occurs)
            found.append(np.divide(shares.sum(axis=1), labels, out=np.full(len(labels), np.nan), where=labels > 0))
        return found
