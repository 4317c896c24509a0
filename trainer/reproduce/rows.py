"""Rows of a table over seeds, beside what the paper prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from trainer.reproduce.cells import Source
from trainer.reproduce.published import Printed
from trainer.reproduce.records import Record
from trainer.reproduce.spread import mean_and_sd, spread
from trainer.reproduce.tables import Table

COSTS = ("M weights", "images/s", "MiB", "minutes")


@dataclass(frozen=True)
class Compared:
    """A number of ours over seeds, in shares, and the paper's in percent."""

    measure: str
    ours: Mapping[str, Any]
    paper: Printed | None

    @property
    def difference(self) -> float | None:
        """Ours less the paper's, in points."""
        ours = self.ours["mean"]
        return None if self.paper is None or ours is None else round(100 * ours - self.paper.value, 2)


def compared(
    records: Sequence[Record], measures: Sequence[str], row: str, printed: Mapping[tuple[str, str], Printed]
) -> list[Compared]:
    """Return numbers of the runs of a row beside the paper's; of a row without runs ours are None."""
    return [
        Compared(
            measure,
            spread([each.value(measure) for each in records]) if records else {"values": [], "mean": None, "sd": None},
            printed.get((row, measure)),
        )
        for measure in measures
    ]


def numbers(source: Source, row: str, records: Sequence[Record], found: Iterable[Compared]) -> list[dict[str, Any]]:
    """Return the rows of a CSV file: one for each number, in percent."""
    return [
        {
            "dataset": source.key, "row": row, "measure": each.measure, "seeds": len(records),
            "ours": _percent(each.ours["mean"]), "sd": _percent(each.ours["sd"]),
            "paper": each.paper and each.paper.value, "paper_sd": each.paper and each.paper.sd,
            "paper_printed": each.paper and each.paper.percent, "difference": each.difference,
        }
        for each in found
    ]  # fmt: skip


def all_numbers(
    source: Source, rows: Mapping[str, Sequence[Record]], measures: Sequence[str],
    printed: Mapping[tuple[str, str], Printed],
) -> list[dict[str, Any]]:  # fmt: skip
    """Return the rows of a CSV file for all rows of a dataset, and then what the paper has no numbers of."""
    return [
        line
        for row, found in rows.items()
        for line in (
            *numbers(source, row, found, compared(found, measures, row, printed)),
            *summary_numbers(source, row, found),
        )
    ]


def summary_numbers(source: Source, row: str, records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return what the paper has no numbers of: consistency in percent, and what runs cost."""
    if not records:
        return []
    about = {"dataset": source.key, "row": row, "seeds": len(records)}
    shares = {name: spread([_nan(each.scores["independent"][name]) for each in records]) for name in _SHARES}
    costs = {name: spread([_nan(getattr(each, name)) for each in records]) for name in _COSTS}
    rows = [
        {**about, "measure": name, "ours": _percent(v["mean"]), "sd": _percent(v["sd"])} for name, v in shares.items()
    ]
    return rows + [{**about, "measure": name, "ours": v["mean"], "sd": v["sd"]} for name, v in costs.items()]


_SHARES = {"full_path_accuracy": "all right", "tree_inconsistency": "contradictions"}
_COSTS = ("parameters", "images_per_second", "memory_mib", "minutes")


def comparison(
    title: str, source: Source, rows: Mapping[str, Sequence[Record]], measures: Sequence[str],
    printed: Mapping[tuple[str, str], Printed], *, notes: tuple[str, ...] = (), whole: bool = True,
) -> Table:  # fmt: skip
    """Lay rows out: ours over seeds, then the paper's where it prints them, then the difference in points.

    Parameters
    ----------
    whole
        Whether to show, too, how consistent whole answers are and what runs cost.
    """
    more = (*_SHARES.values(), *COSTS) if whole else ()
    lines: list[tuple[str, ...]] = []
    ends = []
    for row, records in rows.items():
        found = compared(records, measures, row, printed)
        if records:
            seeds = str(len(records))
            lines.append((row, seeds, *(mean_and_sd(each.ours) for each in found), *_more(records, whole=whole)))
        if any(each.paper for each in found):
            paper = ["" if each.paper is None else str(each.paper) for each in found]
            lines.append(("paper" if records else f"{row} (paper)", "", *paper, *[""] * len(more)))
        if any(each.difference is not None for each in found):
            told = ["" if each.difference is None else f"{each.difference:+.2f}" for each in found]
            lines.append(("difference", "", *told, *[""] * len(more)))
        ends.append(len(lines) - 1)
    majority = _majority(next((records for records in rows.values() if records), []), measures)
    if any(majority):
        lines.append(("majority", "", *majority, *[""] * len(more)))
    return Table(f"{title}: {source.title}", ("", "seeds", *measures, *more), tuple(lines), notes, ends=tuple(ends))


def _more(records: Sequence[Record], *, whole: bool) -> list[str]:
    if not whole:
        return []
    shares = [mean_and_sd(spread([_nan(each.scores["independent"][name]) for each in records])) for name in _SHARES]
    costs = [mean(found) if (found := _known(records, name)) else None for name in _COSTS]
    forms = ("{:.2f}", "{:,.1f}", "{:,.0f}", "{:,.1f}")
    scaled = [None if costs[0] is None else costs[0] / 1e6, *costs[1:]]
    told = ["" if cost is None else form.format(cost) for cost, form in zip(scaled, forms, strict=True)]
    return [*shares, *told]


def _known(records: Sequence[Record], name: str) -> list[float]:
    return [value for each in records if (value := getattr(each, name)) is not None]


def _majority(records: Sequence[Record], measures: Sequence[str]) -> list[str]:
    if not records:
        return ["" for _ in measures]
    by_level = {level.level: level.majority for level in records[0].levels}
    return ["" if (share := by_level.get(each)) is None else f"{100 * share:.2f}" for each in measures]


def percent_points(score: Mapping[str, Any]) -> dict[str, float | None]:
    """Return mean and standard deviation of what `spread` returns in percent, as columns of a CSV file."""
    return {"ours": _percent(score["mean"]), "sd": _percent(score["sd"])}


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 4)


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value
