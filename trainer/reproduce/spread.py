"""One score over runs that differ in their seed alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from statistics import mean, stdev
from typing import Any


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return the values, their mean and their standard deviation (n-1; None of one value) as JSON values.

    All are None where the values are no numbers, as of a level that no image knows.
    """
    if any(map(isnan, values)):
        return {"values": [None] * len(values), "mean": None, "sd": None}
    return {"values": list(values), "mean": mean(values), "sd": stdev(values) if len(values) > 1 else None}


def mean_and_sd(score: Mapping[str, Any]) -> str:
    """Write what `spread` returns in percent, as ``mean ± sd``; a dash where there is no mean."""
    if score["mean"] is None:
        return "-"
    return f"{100 * score['mean']:.2f}" + ("" if score["sd"] is None else f" ± {100 * score['sd']:.2f}")
