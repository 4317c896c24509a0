"""Where a run looks in a whole test set: numbers for each image, and what they come to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np
import torch
from numpy.typing import NDArray

from taxonomy.metrics.scores import json_rows
from trainer.data.placement import open_split
from trainer.explanation.explain import BATCH, DIFFER, Explainer, MapSettings, row_of, to_frame
from trainer.explanation.measures import Floats, level_pairs
from trainer.inference.predictor import Predictor
from trainer.inference.run_dataset import Where, run_dataset
from trainer.runtime.progress import Reporter, reporter_of

if TYPE_CHECKING:
    import pandas as pd

Target = Literal["answer", "truth"]


@dataclass(frozen=True, eq=False)
class MapNumbers:
    """How large the maps of N images are and how far those of two levels overlap.

    Attributes
    ----------
    run, method, settings
        As of `Explanation`.
    target
        Whether maps are of what each head answers, or of the true label.
    split, left_out
        What the images are called, and how many could not be decoded.
    levels, labels
        The names of the K levels, and of each its labels.
    images, classes, probability, areas, overlaps
        Of each image its path, and the rest as of `Mapped`.
    """

    run: Path
    method: str
    settings: MapSettings
    target: Target
    split: str
    left_out: int
    levels: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    images: tuple[str, ...]
    classes: NDArray[np.int64]
    probability: Floats
    areas: Floats
    overlaps: Floats

    def to_frame(self) -> pd.DataFrame:
        """Return a table with a row for each image."""
        rows = []
        for i, image in enumerate(self.images):
            names = [
                labels[c] if c >= 0 else None for labels, c in zip(self.labels, self.classes[i].tolist(), strict=True)
            ]
            rows.append(
                row_of(image, self.run, self, self.levels, names, self.probability[i], self.areas[i], self.overlaps[i])
            )
        return to_frame(rows)

    def by_level(self) -> pd.DataFrame:
        """Return for each level how many maps there are and are empty, and the area of them: mean, its 95 % interval
        (of a normal distribution), and median.
        """  # noqa: D205 - a list in one sentence
        return to_frame(
            [
                {"level": level, "maps": int((~np.isnan(area)).sum()), "empty": int((area == 0).sum())}
                | _mean(area, "area")
                | {"area_median": _median(area)}
                for level, area in zip(self.levels, self.areas.T, strict=True)
            ]
        )

    def by_pair(self) -> pd.DataFrame:
        """Return for each pair of levels the mean overlap with its 95 % interval, over images with a map at either, and
        in what share of the images the coarser level's area is the larger, and the smaller.
        """  # noqa: D205 - as above
        rows = []
        for at, (coarse, fine) in enumerate(level_pairs(len(self.levels))):
            more = self.areas[:, coarse] - self.areas[:, fine]
            known = more[~np.isnan(more)]
            rows.append(
                {"coarse": self.levels[coarse], "fine": self.levels[fine], "images": len(known)}
                | _mean(self.overlaps[:, at], "overlap")
                | {"coarse_larger": _share(known > DIFFER), "coarse_smaller": _share(known < -DIFFER)}
            )
        return to_frame(rows)

    def to_json(self) -> dict[str, Any]:
        """Return what it comes to, for `json.dumps`; what there is not is None."""
        about = {
            "run": str(self.run), "method": self.method, "gamma": self.settings.gamma,
            "threshold": self.settings.threshold, "target": self.target, "split": self.split,
            "images": len(self.images), "left_out": self.left_out,
        }  # fmt: skip
        tables = {"levels": self.by_level(), "pairs": self.by_pair()}
        return about | {name: json_rows(table) for name, table in tables.items()}


def _mean(values: Floats, name: str) -> dict[str, float]:
    known = values[~np.isnan(values)]
    mean = float(known.mean()) if len(known) else math.nan
    reach = 1.96 * float(known.std(ddof=1)) / math.sqrt(len(known)) if len(known) > 1 else math.nan
    return {f"{name}_mean": mean, f"{name}_low": mean - reach, f"{name}_high": mean + reach}


def _share(chosen: NDArray[np.bool_]) -> float:
    return float(chosen.mean()) if len(chosen) else math.nan


def _median(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else math.nan


def explain_test_set(
    predictor: Predictor,
    settings: MapSettings | None = None,
    *,
    target: Target = "answer",
    limit_per_class: int | None = None,
    reporter: Reporter | bool | None = None,
    **where: Unpack[Where],
) -> MapNumbers:
    """Measure the maps of every test image of a run's dataset, in little memory.

    Parameters
    ----------
    settings
        How to make and measure the maps.
    target
        Of which label: ``answer``, the one that each head finds likeliest, or ``truth``.
    limit_per_class
        Only the first so many images of each class.
    reporter
        Who tells how far it is, True for a bar on stderr; without one nothing is shown.
    where
        As of `trainer.inference.run_dataset.run_dataset`.

    Raises
    ------
    HiertaxError
        If the dataset cannot be read, or has other classes than the run was trained on; and as `Explainer.map`.
    """
    teller, explainer = reporter_of(reporter), Explainer(predictor, settings or MapSettings())
    config, task = run_dataset(predictor, teller, **where)
    chosen = task.dataset.test if limit_per_class is None else task.dataset.test.limit_per_class(limit_per_class)
    inputs, kept = open_split(chosen, task.dataset.scored, config, predictor.compute, teller)
    truth = torch.from_numpy(task.paths[chosen.labels[kept]])
    rows = torch.arange(len(kept)).split(min(BATCH, config.batch_size))
    parts = []
    with teller.images("explaining", len(kept)) as advance:
        for mine, pixels in zip(rows, inputs.batches(rows, predictor.compute.device), strict=True):
            parts.append(explainer.map(pixels, truth[mine] if target == "truth" else None)[:4])  # not the maps
            advance(len(mine))
    levels = predictor.hierarchy.levels
    return MapNumbers(
        predictor.run, config.method, explainer.settings, target, task.dataset.scored, len(chosen) - len(kept),
        tuple(level.name for level in levels), tuple(tuple(level.labels) for level in levels),
        tuple(str(chosen.paths[i]) for i in kept), *map(np.concatenate, zip(*parts, strict=True)),
    )  # fmt: skip
