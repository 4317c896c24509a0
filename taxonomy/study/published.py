"""The values of Chang et al. (CVPR 2021), section 3: Table 1 as printed, Fig. 2 read off the picture (+-0.3 points).

The two do not agree: no sizes of the groups turn the shares of Fig. 2b into those of Table 1.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

LEVELS: Final = ("order", "family", "species")
NONE: Final = "none"
GROUPS: Final = (1, 2, 3, 4, 5)
GAUSSIAN_SIZES: Final = (0.036, 0.238, 0.452, 0.238, 0.036)  # of a normal cut at equal widths within +-3 sd
MULTI_OVERALL: Final = 0.643  # of those who did not say none, by Table 1 and Fig. 2a together


@dataclass(frozen=True)
class Published:
    """One value: of which table, group (None: all people) and option (None: all options), in percent."""

    table: str
    group: int | None
    option: str | None
    percent: float
    kind: str


@cache
def values() -> tuple[Published, ...]:
    """Return all values that the paper gives or that were read off its figure."""
    text = (files("taxonomy.study") / "published.csv").read_text(encoding="utf-8")
    return tuple(
        Published(
            row["table"],
            int(row["group"]) if row["group"] else None,
            row["option"] or None,
            float(row["percent"]),
            row["kind"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def lookup(table: str, group: int | None = None, option: str | None = None) -> Published | None:
    """Return the value of a table for a group and an option, or None where the paper has none."""
    wanted = (table, group, option)
    return next((v for v in values() if (v.table, v.group, v.option) == wanted), None)


def group_shares() -> NDArray[np.float64]:
    """Return the shares of Fig. 2b, float64 ``[5, 4]``: group by order, family, species and none (the rest)."""
    named = [[_percent("fig2b", group, level) for level in LEVELS] for group in GROUPS]
    shares = np.array(named) / 100
    return np.column_stack([shares, 1 - shares.sum(axis=1)])


def multi_shares() -> NDArray[np.float64]:
    """Return the shares of "multi" that Figs. 2a and 2c imply, float64 ``[5, 3]``: group by option.

    The two are joined on the logit scale (a decision of ours: the paper gives their margins only).
    """
    by_option = np.array([_percent("fig2a", None, level) for level in LEVELS]) / 100
    by_group = np.array([_percent("fig2c", group, None) for group in GROUPS]) / 100
    odds = _logit(by_option)[None, :] + _logit(by_group)[:, None] - _logit(np.array(MULTI_OVERALL))
    return np.asarray(1 / (1 + np.exp(-odds)))


def _percent(table: str, group: int | None, option: str | None) -> float:
    found = lookup(table, group, option)
    assert found is not None  # noqa: S101 - the file comes with the package
    return found.percent


def _logit(share: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(share / (1 - share)))
