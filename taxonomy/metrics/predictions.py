"""What is scored: labels, and what came with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from taxonomy.hierarchy import IntArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Predictions:
    """What N samples are taken for.

    Attributes
    ----------
    labels
        int64 ``[N, K]``: the label at every level, coarsest first.
    probability
        float64 ``[N, K]``: how likely each of them was said to be; None where nothing was said.
    distances
        Of some k, the sum of the LCA heights of each sample's k best leaves, ``[N]``; see
        `taxonomy.metrics.distances_of_top`. Empty where leaves were not ranked.
    """

    labels: IntArray
    probability: FloatArray | None = None
    distances: Mapping[int, IntArray] = field(default_factory=dict)
