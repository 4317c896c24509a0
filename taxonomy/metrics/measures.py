"""What is measured: each score as a function of sums over samples, so that resamples are scored as samples are.

A *family* of scores rests on some columns of small whole numbers. Its *terms* are what a sample adds to each sum, its
*measures* what the sums say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taxonomy.hierarchy import Hierarchy, IntArray
from taxonomy.metrics.labels import inconsistent, lca_height, node_overlap

FloatArray = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]
Sums = Mapping[str, FloatArray]
UNKNOWN = 2  # beside 0, wrong, and 1, right


class Measure(NamedTuple):
    """Which score: its name, and what else tells it from others of that name.

    Attributes
    ----------
    name
        Such as ``accuracy``.
    level
        The level that it is of, or the finer of the two that it compares; blank where it is of whole answers.
    nodes
        The set of nodes that it counts; blank where it counts none.
    average
        ``micro``, over samples at once; ``macro``, over classes, or over samples that have scores of their own.
    """

    name: str
    level: str = ""
    nodes: str = ""
    average: Literal["micro", "macro"] = "micro"


@dataclass(frozen=True)
class Family:
    """Some scores that rest on the same columns."""

    columns: Columns
    terms: Callable[[Columns], Sums]
    measures: Callable[[Sums], dict[Measure, FloatArray]]


def ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Divide, to NaN where there is nothing to divide by."""
    quotient: FloatArray = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)
    return quotient


def label_family(hierarchy: Hierarchy, truth: IntArray, predicted: IntArray) -> Family:
    """Return all scores of labels int64 ``[N, K]``, but those that need a ranking of leaves or single classes."""
    levels = range(hierarchy.depth)
    whole: NDArray[np.bool_] = np.asarray((truth >= 0).all(axis=1))
    known = np.where(whole[:, None], truth, predicted)  # a stand-in, which counts for nothing
    hits, size = node_overlap(hierarchy, known, predicted, "heads+ancestors")
    outcome = np.where(truth < 0, UNKNOWN, truth == predicted).astype(np.int8)
    breaks = inconsistent(hierarchy, predicted)
    columns = {
        **{f"outcome {k}": outcome[:, k] for k in levels},
        **{f"break {k}": breaks[:, k - 1] for k in levels[1:]},
        "height": lca_height(hierarchy, known, predicted),
        "hits": hits,
        "size": size,
    }
    names = [level.name for level in hierarchy.levels]
    return Family(columns, lambda rows: _terms(rows, len(levels)), lambda sums: _measures(sums, names, hierarchy.sizes))


def _terms(rows: Columns, depth: int) -> Sums:
    outcome = np.stack([rows[f"outcome {k}"] for k in range(depth)])
    known, right = outcome != UNKNOWN, outcome == 1
    whole = known.all(axis=0)
    breaks = [rows[f"break {k}"] for k in range(1, depth)]
    height, hits, size = rows["height"] * whole, rows["hits"] * whole, rows["size"] * whole
    precision, recall = hits / np.maximum(size, 1), hits / depth
    terms = {
        **{f"known {k}": known[k] for k in range(depth)},
        **{f"right {k}": right[k] for k in range(depth)},
        **{f"break {k}": broken for k, broken in enumerate(breaks, start=1)},
        "samples": np.ones_like(whole),
        "broken": np.logical_or.reduce([np.zeros_like(whole), *breaks]),
        "whole": whole,
        "all right": right.all(axis=0),
        "wrong": height > 0,
        "height": height,
        "lca f1": whole / (height + 1),
        "heads": right.sum(axis=0) * whole,
        "hits": hits,
        "size": size,
        "precision": precision,
        "recall": recall,
        "f1": 2 * hits / (size + depth),
    }
    return {name: np.asarray(term, dtype=np.float64) for name, term in terms.items()}


def _measures(sums: Sums, levels: list[str], sizes: tuple[int, ...]) -> dict[Measure, FloatArray]:
    whole, height = sums["whole"], ratio(sums["height"], sums["whole"])
    accuracy = [ratio(sums[f"right {k}"], sums[f"known {k}"]) for k in range(len(levels))]
    return {
        **{Measure("accuracy", level): share for level, share in zip(levels, accuracy, strict=True)},
        Measure("average_accuracy"): _weighted(accuracy, [1] * len(levels)),
        Measure("weighted_average_accuracy"): _weighted(accuracy, sizes),
        Measure("full_path_accuracy"): ratio(sums["all right"], whole),
        Measure("tree_inconsistency"): ratio(sums["broken"], sums["samples"]),
        **{
            Measure("adjacent_inconsistency", level): ratio(sums[f"break {k}"], sums["samples"])
            for k, level in enumerate(levels[1:], start=1)
        },
        Measure("mean_lca_height"): height,
        Measure("mistake_severity"): ratio(sums["height"], sums["wrong"]),
        Measure("tree_induced_error"): 2 * height,
        Measure("lca_f1"): ratio(sums["lca f1"], whole),
        **_hierarchical(sums, len(levels)),
    }


def _hierarchical(sums: Sums, depth: int) -> dict[Measure, FloatArray]:
    """Return hP, hR and hF; of sets of as many nodes as the truth has, all three are one, however averaged."""
    whole, nodes = sums["whole"], depth * sums["whole"]
    found: dict[Measure, FloatArray] = {}
    for name in ("precision", "recall", "f1"):
        for average in ("micro", "macro"):
            found[Measure(f"hierarchical_{name}", nodes="heads", average=average)] = ratio(sums["heads"], nodes)
            on_path = ratio(nodes - sums["height"], nodes)
            found[Measure(f"hierarchical_{name}", nodes="leaf+ancestors", average=average)] = on_path
        found[Measure(f"hierarchical_{name}", nodes="heads+ancestors", average="macro")] = ratio(sums[name], whole)
    every = {
        "precision": ratio(sums["hits"], sums["size"]),
        "recall": ratio(sums["hits"], nodes),
        "f1": ratio(2 * sums["hits"], sums["size"] + nodes),
    }
    return found | {Measure(f"hierarchical_{name}", nodes="heads+ancestors"): score for name, score in every.items()}


def _weighted(shares: list[FloatArray], weights: list[int] | tuple[int, ...]) -> FloatArray:
    """Average over the levels of which anything is known."""
    stacked = np.stack(shares, axis=-1)
    weight = np.where(np.isnan(stacked), 0, np.asarray(weights, dtype=np.float64))
    return ratio((np.nan_to_num(stacked) * weight).sum(axis=-1), weight.sum(axis=-1))


def distance_family(truth: IntArray, distances: IntArray, k: int) -> Family:
    """Return AHD@k, of sums ``[N]`` of the LCA heights of the k best leaves; see `labels.distances_of_top`."""

    def terms(rows: Columns) -> Sums:
        whole = rows["whole"].astype(np.float64)
        return {"whole": whole, "distance": whole * rows["distance"] / k}

    columns: Columns = {"whole": np.asarray((truth >= 0).all(axis=1)), "distance": distances}
    return Family(columns, terms, lambda sums: {Measure(f"ahd_at_{k}"): ratio(sums["distance"], sums["whole"])})
