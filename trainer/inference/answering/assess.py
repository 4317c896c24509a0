"""A run calibrated, and what that is worth: everything that `hiertrain calibrate` tells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from rich.table import Table

from taxonomy import Hierarchy
from taxonomy.datasets import find_images
from taxonomy.files import write_atomic
from taxonomy.metrics.scores import json_rows
from trainer.data.datasets import Split
from trainer.data.placement import open_split
from trainer.inference.answering.answer import Answering
from trainer.inference.answering.calibrate import (
    Labelled,
    calibrate,
    calibrated,
    labelled_logits,
    reliability,
    told,
)
from trainer.inference.answering.plots import operating_plot, reliability_plot
from trainer.inference.answering.report import cautious_ways, error_table, operating_curve, unknown_table, way_table
from trainer.inference.answering.wishes import check_target
from trainer.inference.predictor import Predictor
from trainer.inference.run_dataset import Where, run_dataset
from trainer.runs.calibration import Calibration
from trainer.runtime.progress import Reporter

if TYPE_CHECKING:
    from pandas import DataFrame

WAYS = {"independent": "each head", "path": "one path"}
ERRORS = (
    "expected calibration error, %; by chance: that of true probabilities on as many images, with its 95 % interval"
)


@dataclass(frozen=True, eq=False)
class Assessment:
    """A calibration and what it does.

    Attributes
    ----------
    splits
        What the heads say of the images of each split, ``validation`` and perhaps the one that is scored.
    errors
        See `error_table`.
    ways, unknown
        See `way_table` and `unknown_table`; None where they were not asked for.
    """

    hierarchy: Hierarchy
    calibration: Calibration
    target: float
    splits: dict[str, Labelled]
    errors: DataFrame
    ways: DataFrame | None = None
    unknown: DataFrame | None = None

    @property
    def heading(self) -> str:
        """One line that says what was done."""
        return told(self.hierarchy, self.calibration)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values, None in place of NaN."""
        found = {"errors": self.errors, "ways": self.ways, "unknown": self.unknown}
        tables = {name: json_rows(table) for name, table in found.items() if table is not None}
        about = {"images": self.calibration.images, "n": self.calibration.n, "target_accuracy": self.target}
        fitted = {"temperatures": self.calibration.temperatures, "path_weights": self.calibration.path_weights}
        return {**about, **fitted, **tables}

    def tables(self) -> list[tuple[str, Table]]:
        """Lay everything out for a person: titles and tables, in percent."""
        found = [("calibration", self._fitted_table()), (ERRORS, self._error_table())]
        if self.ways is not None:
            n, split = int(self.ways["n"].iloc[0]), list(self.splits)[-1]
            found.append((f"answers to {n:,} {split} images, %, with 95 % intervals", self._way_table(self.ways)))
        if self.unknown is not None:
            found.append(("images of classes that the run does not know", _unknown_table(self.unknown)))
        return found

    def write(self, folder: Path) -> None:
        """Write plots and tables into a folder.

        Raises
        ------
        HiertaxError
            If it cannot be written.
        """
        split, found = list(self.splits.items())[-1]
        curves: dict[str, DataFrame] = {
            way.rule: operating_curve(way, found) for way in cautious_ways(self.hierarchy, self.calibration)
        }
        before, after = (
            reliability(answering, *found)
            for answering in (Answering(self.hierarchy), calibrated(self.hierarchy, self.calibration))
        )
        title, names = f"{len(found.truth):,} {split} images", [level.name for level in self.hierarchy.levels]
        write_atomic(folder / "reliability.png", reliability_plot(before, after, f"One path for each of {title}"))
        write_atomic(
            folder / "operating.png", operating_plot(curves, names, f"Cautious answers to {title}", self.target)
        )
        from pandas import concat

        tables = {
            "errors": self.errors,
            "ways": self.ways,
            "unknown": self.unknown,
            "operating": concat(curves.values()),
        }
        for name, table in tables.items():
            if table is not None:
                write_atomic(folder / f"{name}.csv", table.to_csv(index=False).encode())

    def _fitted_table(self) -> Table:
        table = Table()
        table.add_column("level")
        for column in ("temperature of its head", "weight in a path"):
            table.add_column(column, justify="right")
        fitted = (self.calibration.temperatures, self.calibration.path_weights)
        for level, temperature, weight in zip(self.hierarchy.levels, *fitted, strict=True):
            table.add_row(level.name, f"{temperature:.3f}", f"{weight:.3f}")
        return table

    def _error_table(self) -> Table:
        table = Table()
        for column in ("images", "answers", "level"):
            table.add_column(column)
        for column in ("before", "after", "by chance"):
            table.add_column(column, justify="right")
        for row in self.errors.to_dict("records"):
            first, last = (row["level"] == self.hierarchy.levels[at].name for at in (0, -1))
            of = (f"{row['images']:,} {row['split']}", WAYS[row["answers"]]) if first else ("", "")
            chance = (row[f"after_chance{end}"] for end in ("", "_low", "_high"))
            errors = (_percent(row["before"]), _percent(row["after"]), _with_interval(*chance))
            table.add_row(*of, row["level"], *errors, end_section=last)
        return table

    def _way_table(self, ways: DataFrame) -> Table:
        table = Table()
        table.add_column("answers")
        for column in ("confidence", "right", "exact", "specificity"):
            table.add_column(column, justify="right")
        for level in self.hierarchy.levels:
            table.add_column(f"{level.name} answered", justify="right")
        for row in ways.to_dict("records"):
            table.add_row(
                row["answers"],
                "-" if math.isnan(row["value"]) else f"{row['value']:.4g}",
                _with_interval(row["accuracy"], row["low"], row["high"]),
                _with_interval(row["exact"], row["exact_low"], row["exact_high"]),
                _percent(row["specificity"]),
                *(_percent(row[f"{level.name}_answered"]) for level in self.hierarchy.levels),
            )
        return table


def assess(
    predictor: Predictor,
    reporter: Reporter,
    *,
    test: bool,
    target: float,
    unknown: Sequence[Path] = (),
    **where: Unpack[Where],
) -> Assessment:
    """Calibrate a run, and tell what that is worth.

    Parameters
    ----------
    test
        Whether to look at the images that scores are of too, on which nothing is fitted.
    target
        The share of cautious answers to be right.
    unknown
        Images, or folders of them, of what the run does not know, to tell how well it says so.
    where
        As of `trainer.inference.run_dataset.run_dataset`.

    Raises
    ------
    HiertaxError
        As `calibrate`; or if one of the unknown images cannot be read.
    """
    check_target(target)
    calibration = calibrate(predictor, reporter, **where)
    hierarchy = predictor.hierarchy
    splits = {"validation": Labelled(list(calibration.logits), calibration.truth)}
    config, task = run_dataset(predictor, reporter.renewed(silent=True), **where)
    scored = task.dataset.scored
    strangers = find_images(unknown).paths if unknown else []
    if test or strangers:
        splits[scored] = labelled_logits(predictor, task.dataset.test, scored, config, task, reporter)
    ways = way_table(hierarchy, calibration, splits[scored], target) if test else None
    told_apart = None
    if strangers:
        split = Split(tuple(strangers), np.full(len(strangers), -1))
        images, _ = open_split(split, "unknown", config, predictor.compute, reporter)
        told_apart = unknown_table(calibration, splits[scored].logits, predictor.logits_of(images))
    return Assessment(
        hierarchy, calibration, target, splits, error_table(hierarchy, calibration, splits), ways, told_apart
    )


def _unknown_table(unknown: DataFrame) -> Table:
    table = Table()
    for column in ("score", "known images", "unknown images", "AUROC", "known taken for unknown, %", "unknown, %"):
        table.add_column(column, justify="left" if column == "score" else "right")
    for row in unknown.to_dict("records"):
        shares = (_percent(row["known_taken"]), _percent(row["unknown_taken"]))
        table.add_row(row["score"], f"{row['known']:,}", f"{row['unknown']:,}", f"{row['auroc']:.4f}", *shares)
    return table


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f}"


def _with_interval(share: float, low: float, high: float) -> str:
    return f"{_percent(share)} ({_percent(low)} to {_percent(high)})"
