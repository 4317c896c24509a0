"""How wide the intervals of a study will be, and how many people it takes for a wanted width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from taxonomy.study.published import GAUSSIAN_SIZES, group_shares

LEVEL: Final = 0.95
WANTED: Final = 0.05


@dataclass(frozen=True)
class Power:
    """What the intervals of the shares of stage 1 will be like.

    Attributes
    ----------
    share
        The share that this is of: the option whose answers differ most between people.
    correlation
        How alike two answers of one person are taken to be: the variance of `share` between the five groups of
        Fig. 2b over share (1 - share). People of one group differ too, so it is a lower bound.
    half_width
        Half the width of the 95 % interval, as a share.
    people
        How many people would bring it to `WANTED`.
    """

    share: float
    correlation: float
    half_width: float
    people: int


def power(participants: int, per_person: float) -> Power:
    """Return how wide intervals will be: clusters of equal size, variance p(1-p)/N (1 + (n-1) rho).

    Parameters
    ----------
    per_person
        How many answers each person gives that are kept.
    """
    share, correlation = _most_varied()
    spread = share * (1 - share) * (1 + (per_person - 1) * correlation) / per_person  # of one person's mean
    people = 2
    while _half_width(spread, people) > WANTED:
        people += 1
    return Power(share, correlation, _half_width(spread, participants), people)


def _half_width(spread: float, people: int) -> float:
    from scipy import stats

    if people < 2:
        return float("inf")
    return float(stats.t.ppf((1 + LEVEL) / 2, people - 1) * np.sqrt(spread / people))


def _most_varied() -> tuple[float, float]:
    shares, sizes = group_shares(), np.array(GAUSSIAN_SIZES)
    means = sizes @ shares
    between = sizes @ (shares - means) ** 2
    most = int(between.argmax())
    return float(means[most]), float(between[most] / (means[most] * (1 - means[most])))
