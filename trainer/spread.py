"""Scores of several runs side by side: mean and standard deviation over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from rich.table import Table

SHARED = ("average_accuracy", "full_path_accuracy", "tree_inconsistency")


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (n-1; None for a single run) of one score, as fractions."""

    mean: float
    sd: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise the values of one score over runs."""
        return cls(mean(values), stdev(values) if len(values) > 1 else None)

    def __str__(self) -> str:
        spread = "" if self.sd is None else f" ± {100 * self.sd:.2f}"
        return f"{100 * self.mean:.2f}{spread}"


def by_setting(scores: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Group the scores of runs that differ in nothing but their seed, in the order of their first run."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for score in scores:
        groups.setdefault(f"{score['method']}, {score['backbone']}, epoch {score['epoch']}", []).append(score)
    return groups


def spreads(runs: Sequence[dict[str, Any]]) -> dict[str, Spread]:
    """Return the spread of every accuracy over runs on one hierarchy, levels first."""
    levels = {
        level["level"]: Spread.of([run["levels"][k]["accuracy"] for run in runs])
        for k, level in enumerate(runs[0]["levels"])
    }
    return levels | {name: Spread.of([run[name] for run in runs]) for name in SHARED}


def spread_table(scores: Sequence[dict[str, Any]]) -> Table:
    """Lay several runs' scores out: one row per setting, mean ± sd over its runs, in percent."""
    table = Table()
    table.add_column("runs of")
    table.add_column("seeds", justify="right")
    levels = [level["level"] for level in scores[0]["levels"]]
    for heading in (*levels, "average", "all levels right", "contradictions"):
        table.add_column(heading, justify="right")
    for setting, runs in by_setting(scores).items():
        table.add_row(setting, str(len(runs)), *map(str, spreads(runs).values()))
    majority = [f"{100 * level['majority']:.2f}" for level in scores[0]["levels"]]
    table.add_row("always the commonest", "", *majority, "", "", "", style="dim")
    return table
