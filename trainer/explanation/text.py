"""What maps measure, laid out for a person."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from rich.table import Table

from trainer.explanation.explain import Explanation
from trainer.explanation.features import NEIGHBOURS, FeaturePlane
from trainer.explanation.test_set import MapNumbers
from trainer.inference.answers import percent

WORDS: Final = {"as-trained": "gamma as trained", "off": "gamma off"}


def images_table(rows: Sequence[Explanation]) -> Table:
    """Lay out the answers, areas and overlaps of images: a row for each image, run and level."""
    table = Table()
    for name in ("image", "run", "level", "answer"):
        table.add_column(name)
    for name in ("sure", "area, %", "overlap with the next finer, %"):
        table.add_column(name, justify="right")
    for row in rows:
        for k, level in enumerate(row.levels):
            finer = row.overlaps[level, row.levels[k + 1]] if k + 1 < len(row.levels) else math.nan
            head = (row.image, row.run.name) if k == 0 else ("", "")
            share, area = percent(row.probability[k]), _in_percent(row.areas[k])
            last = k == len(row.levels) - 1
            table.add_row(*head, level, row.labels[k], share, area, _in_percent(finer), end_section=last)
    return table


def levels_table(numbers: Sequence[MapNumbers]) -> Table:
    """Lay out how large the maps of each level are, in percent of the image."""
    table = Table("run", "level")
    for name in ("maps", "empty", "mean area, %", "95 % interval", "median"):
        table.add_column(name, justify="right")
    for each in numbers:
        rows = each.by_level().to_dict("records")
        for k, row in enumerate(rows):
            interval = f"{_in_percent(row['area_low'])} to {_in_percent(row['area_high'])}"
            counts, middle = (f"{row['maps']:,}", f"{row['empty']:,}"), _in_percent(row["area_median"])
            table.add_row(
                each.run.name if k == 0 else "", row["level"], *counts, _in_percent(row["area_mean"]), interval, middle,
                end_section=k == len(rows) - 1,
            )  # fmt: skip
    return table


def pairs_table(numbers: Sequence[MapNumbers]) -> Table:
    """Lay out how far the maps of two levels overlap, in percent."""
    table = Table("run", "coarse", "fine")
    for name in ("overlap, %", "95 % interval", "coarse looks at more, % of images", "at less"):
        table.add_column(name, justify="right")
    for each in numbers:
        rows = each.by_pair().to_dict("records")
        for k, row in enumerate(rows):
            interval = f"{_in_percent(row['overlap_low'])} to {_in_percent(row['overlap_high'])}"
            table.add_row(
                each.run.name if k == 0 else "", row["coarse"], row["fine"], _in_percent(row["overlap_mean"]), interval,
                _in_percent(row["coarse_larger"]), _in_percent(row["coarse_smaller"]), end_section=k == len(rows) - 1,
            )  # fmt: skip
    return table


def features_table(plane: FeaturePlane) -> Table:
    """Lay out how well features tell the labels of each level apart."""
    table = Table("level")
    for name in ("labels", "silhouette of f", f"{NEIGHBOURS} nearest right, %"):
        table.add_column(name, justify="right")
    for row in plane.by_level().to_dict("records"):
        table.add_row(row["level"], str(row["labels"]), f"{row['silhouette']:.3f}", _in_percent(row["knn"]))
    return table


def heading(numbers: MapNumbers) -> str:
    """Say in one line what numbers are of."""
    about = f"{numbers.run}: {len(numbers.images):,} {numbers.split} images, maps of the {numbers.target}"
    return f"{about}, {WORDS[numbers.settings.gamma]}, from {numbers.settings.threshold:g} of the maximum"


def _in_percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f}"
