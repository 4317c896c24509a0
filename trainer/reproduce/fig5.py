"""Fig. 5: where the heads of two methods look, level by level (the paper, section 6.1), and what that is in numbers.

Maps are Grad-CAM's, with the gradient stop as trained: a coarse head's map leaves out the finer features that it reads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from statistics import mean
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taxonomy.metrics import Interval
from trainer.config import Method
from trainer.explanation.explain import Explanation, MapSettings, explanations
from trainer.explanation.figure import draw_figure
from trainer.explanation.test_set import MapNumbers, explain_test_set
from trainer.inference.predictor import Predictor
from trainer.inference.run_dataset import run_dataset
from trainer.reproduce import table2
from trainer.reproduce.cells import Cell, Source
from trainer.reproduce.claims import Claim, Verdict, outcome_of, over_seeds
from trainer.reproduce.drawing import DPI, QUICK
from trainer.reproduce.experiment import Report, Results, Setup, joined
from trainer.reproduce.records import Record
from trainer.reproduce.rows import percent_points
from trainer.reproduce.spread import mean_and_sd, spread
from trainer.reproduce.tables import Table
from trainer.runtime.progress import Reporter

TITLE: Final = "Fig. 5: where heads look, level by level"
METHODS: Final[tuple[Method, ...]] = ("vanilla_single", "vanilla_multi", "ours_single", "ours", "ours_mc")
ROWS: Final[tuple[Method, ...]] = ("vanilla_single", "ours")  # those of the paper's figure
PER_CLASS: Final = 10  # test images of each class that are measured
SHOWN: Final = 4  # images of the figure
NOTES: Final = (
    "The paper shows pictures and no numbers, and does not state the threshold of its masks; here it is half of a "
    "map's maximum.",
    f"Maps of what each head answers, of the first {PER_CLASS} test images of each class; gradient stop as trained.",
)  # fmt: skip


def cells(setup: Setup, _reporter: Reporter) -> list[Cell]:
    """Return a run of each method, on each dataset, with each seed."""
    return table2.cells_of(setup, METHODS if setup.methods else ROWS)


def report(results: Results) -> Report:
    """Return how large maps are and how far they overlap, and pictures of some."""
    return joined(results, partial(_of, results), notes=NOTES)


def _of(results: Results, source: Source, rows: dict[str, list[Record]]) -> Report:
    runs = {
        each.name: Predictor.load(results.runs / each.name, device=each.config["device"])
        for records in rows.values()
        for each in records
    }
    measured = {name: explain_test_set(run, limit_per_class=PER_CLASS) for name, run in runs.items()}
    of_row = {row: [measured[each.name] for each in records] for row, records in rows.items()}
    numbers = [{"dataset": source.key, **each} for row, found in of_row.items() for each in _numbers(row, found)]
    first = [runs[records[0].name] for records in rows.values()]
    return Report(
        {source.key: _table(source, of_row)}, numbers, _verdicts(source, rows, measured),
        {f"fig5-{source.key}": _figure(first, quick=results.setup.quick)},
    )  # fmt: skip


def _table(source: Source, rows: dict[str, list[MapNumbers]]) -> Table:
    levels = next(iter(rows.values()))[0].levels
    coarse, fine = levels[0], levels[-1]
    header = ("", "seeds", *(f"area, {level}" for level in levels), f"overlap, {coarse} and {fine}")
    lines = []
    for row, found in rows.items():
        areas = [spread([float(np.nanmean(each.areas[:, k])) for each in found]) for k in range(len(levels))]
        overlap = spread([float(np.nanmean(_overlap(each))) for each in found])
        lines.append((row, str(len(found)), *map(mean_and_sd, [*areas, overlap])))
    notes = (f"Shares of the image in percent, mean over {len(next(iter(rows.values()))[0].images):,} test images.",)
    return Table(f"{TITLE}: {source.title}", header, tuple(lines), notes)


def _overlap(found: MapNumbers) -> NDArray[np.float64]:
    """Return the overlap of the coarsest and the finest level, ``[N]``."""
    return np.asarray(found.overlaps[:, len(found.levels) - 2])  # pairs are in the order of `level_pairs`


def _numbers(row: str, found: Sequence[MapNumbers]) -> list[dict[str, Any]]:
    levels = found[0].levels
    areas = {f"area {level}": [float(np.nanmean(each.areas[:, k])) for each in found] for k, level in enumerate(levels)}
    shares = areas | {"overlap": [float(np.nanmean(_overlap(each))) for each in found]}
    return [
        {"row": row, "seeds": len(found), "measure": name, **percent_points(spread(v))} for name, v in shares.items()
    ]


def _verdicts(source: Source, rows: dict[str, list[Record]], measured: dict[str, MapNumbers]) -> list[Verdict]:
    found = []
    if "ours" in rows:
        scales = "Heads of Ours attend to different scales, the coarser to more"
        own = [measured[each.name] for each in rows["ours"]]
        changes = [each.areas[:, 0] - each.areas[:, -1] for each in own]
        claim = Claim(f"area, {own[0].levels[0]}", f"area, {own[0].levels[-1]}", "ours", scales)
        found.append(_verdict(source, claim, changes))
    if {"ours", "vanilla_single"} <= rows.keys():
        alike = "Heads of Vanilla_single focus on similar parts, unlike those of Ours"
        ours, vanilla = ({each.seed: measured[each.name] for each in rows[row]} for row in ("ours", "vanilla_single"))
        changes = [_overlap(vanilla[seed]) - _overlap(ours[seed]) for seed in sorted(ours.keys() & vanilla.keys())]
        claim = Claim("vanilla_single", "ours", "overlap of the coarsest and finest level", alike)
        found += [_verdict(source, claim, changes)] if changes else []
    return found


def _verdict(source: Source, claim: Claim, changes: Sequence[NDArray[np.float64]]) -> Verdict:
    """Judge differences by image ``[N]`` of each seed."""
    by_image = np.nanmean(np.stack(changes), axis=0)
    known = by_image[~np.isnan(by_image)]
    value = float(known.mean())
    reach = 1.96 * float(known.std(ddof=1)) / math.sqrt(len(known))
    by_seed, spread_ = over_seeds([float(np.nanmean(each)) for each in changes]), Interval(value - reach, value + reach)
    seeds = len(changes)
    value = mean(float(np.nanmean(each)) for each in changes)
    return Verdict(source.key, claim, claim.measure, seeds, value, by_seed, spread_, outcome_of(by_seed, spread_))


def _figure(runs: Sequence[Predictor], *, quick: bool) -> bytes:
    """Draw some test images of classes that are far apart, each with the maps of every run."""
    from matplotlib import rc_context

    from taxonomy.pictures import png

    _, task = run_dataset(runs[0], Reporter(silent=True))
    first = task.dataset.test.limit_per_class(1)
    places = np.linspace(0, len(first.paths) - 1, min(SHOWN, len(first.paths))).astype(int)
    images = [first.paths[i] for i in dict.fromkeys(places.tolist())]
    by_run = [list(explanations(run, images, MapSettings())) for run in runs]
    rows: list[Explanation] = [row for of_image in zip(*by_run, strict=True) for row in of_image]
    with rc_context({"text.parse_math": False, "font.family": "DejaVu Sans"}):
        figure = draw_figure(rows)
        if quick:
            figure.text(0.99, 0.999, QUICK, size=7, color="#AA3377", ha="right", va="top", weight="bold")
        return png(figure, DPI)
