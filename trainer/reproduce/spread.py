"""One score over runs that differ in their seed alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return the values, their mean and their standard deviation (n-1; None of one value) as JSON values."""
    return {"values": list(values), "mean": mean(values), "sd": stdev(values) if len(values) > 1 else None}


def mean_and_sd(score: Mapping[str, Any]) -> str:
    """Write what `spread` returns in percent, as ``mean ± sd``."""
    return f"{100 * score['mean']:.2f}" + ("" if score["sd"] is None else f" ± {100 * score['sd']:.2f}")
