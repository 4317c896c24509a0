"""What stands for a class when classes are clustered: a vector, or a row of confusions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from taxonomy.clustering.features import Features, Float64
from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import IntArray

Kind = Literal["mean", "weights", "confusion"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, eq=False)
class Representation:
    """One row per class.

    Attributes
    ----------
    kind
        ``mean``: mean feature of the training samples, scaled to length 1; ``weights``: row of a trained
        classifier's last layer (as Neural-Backed Decision Trees use), scaled to length 1; ``confusion``:
        symmetrised shares of confusion (as label trees use).
    rows
        float64 ``[C, E]``; for ``confusion`` the similarity of each pair, ``[C, C]``, 1 at most.
    """

    kind: Kind
    rows: Float64

    def distance(self, *, squared: bool) -> Float64:
        """Return the distances between classes, float64 ``[C, C]``.

        Between unit vectors the Euclidean distance or half its square, which is 1 - cosine; between
        confusions 1 - similarity, whatever `squared`.
        """
        if self.kind == "confusion":
            apart = 1 - self.rows
            np.fill_diagonal(apart, 0)
            return apart
        from scipy.spatial.distance import pdist, squareform

        table: Float64 = squareform(pdist(self.rows, "sqeuclidean" if squared else "euclidean"))
        return table / 2 if squared else table


def represent(features: Features, kind: Kind) -> Representation:
    """Return the representation of every class.

    Raises
    ------
    HiertaxError
        If the feature file does not hold what is asked for.
    """
    if kind == "mean":
        return Representation(kind, unit_rows(class_means(features)))
    table = features.weights if kind == "weights" else features.confusion
    if table is None:
        raise HiertaxError(f"the feature file holds no {kind}; extract them, or use the representation mean")
    if kind == "weights":
        return Representation(kind, unit_rows(table.astype(np.float64)))
    shares = table / table.sum(axis=1, dtype=np.float64)[:, None]
    affinity: Float64 = (shares + shares.T) / 2
    np.fill_diagonal(affinity, 0)
    largest = affinity.max(initial=0)
    return Representation(kind, affinity / largest if largest > 0 else affinity)


def class_means(features: Features) -> Float64:
    """Return the mean feature vector of every class, float64 ``[C, D]``."""
    parts = np.split(features.features, features.starts[1:])
    return np.stack([part.mean(axis=0, dtype=np.float64) for part in parts])


def unit_rows(table: Float64) -> Float64:
    """Scale rows to length 1; zero rows stay zero."""
    length = np.linalg.norm(table, axis=1, keepdims=True)
    return np.asarray(np.divide(table, length, out=np.zeros_like(table), where=length > 0), dtype=np.float64)


def group_means(rows: Float64, groups: IntArray) -> Float64:
    """Return the mean row of every group, ``[G, E]``."""
    count = np.bincount(groups)
    total = np.zeros((len(count), rows.shape[1]))
    np.add.at(total, groups, rows)
    mean: Float64 = total / count[:, None]
    return mean
