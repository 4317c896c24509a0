"""The panels around Fig. 4: features learned under weights of two levels, in the plane (the paper, section 4.1).

Two ways: t-SNE of f, as the paper says; and a feature of two units between f and the heads, drawn as it is, which is
what the published panels look like. Looks may deceive, so that features are compared by how well they tell labels
apart: silhouette and nearest neighbours, of the features themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import mean
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from taxonomy.metrics import Interval
from trainer.explanation.features import features_of_test_images, neighbour_accuracy, plane_of, silhouettes
from trainer.inference.predictor import Predictor
from trainer.reproduce import table2
from trainer.reproduce.cells import Cell, Source
from trainer.reproduce.claims import Claim, Verdict, outcome_of, over_seeds
from trainer.reproduce.drawing import COLOURS, picture
from trainer.reproduce.experiment import Report, Results, Setup, joined
from trainer.reproduce.fig4 import row_of, weights_of
from trainer.reproduce.records import Record
from trainer.reproduce.rows import percent_points
from trainer.reproduce.spread import mean_and_sd, spread
from trainer.reproduce.tables import Table
from trainer.runtime.progress import Reporter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE: Final = "Features of two levels that are learned together, in the plane"
PAIRS: Final = ((1.0, 0.0), (1.0, 1.0), (0.0, 1.0))  # alpha, beta: three trainings, of which one is shown twice
MODES: Final = {"tsne": None, "bottleneck2d": "bottleneck=2"}
PANELS: Final = (((1.0, 0.0), 0), ((1.0, 1.0), 0), ((0.0, 1.0), 1), ((1.0, 1.0), 1))  # and by which level coloured
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
NOTES: Final = (
    "The paper lists alpha = beta = 1 twice: one embedding with two colourings. It states no settings of t-SNE; here: "
    "50 principal components first, perplexity 30, 1,000 iterations, seed 0.",
    "The published panels have straight spokes, as a feature of two units has, not t-SNE.",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Seen:
    """Features of the test images of a run: in the plane ``[N, 2]``, their labels ``[N, K]``, and scores by level."""

    points: NDArray[np.float64]
    truth: NDArray[np.int64]
    images: tuple[str, ...]
    silhouette: NDArray[np.float64]
    neighbours: NDArray[np.float64]


def cells(setup: Setup, _reporter: Reporter) -> list[Cell]:
    """Return the three trainings in both ways, for each dataset and seed."""
    return [
        Cell(
            source.key,
            f"{mode}_{row_of(*pair)}",
            table2.of(
                setup, source, method="vanilla_single", seed=seed, level_weights=weights_of(source, *pair),
                method_options=options,
            ),
        )
        for seed in range(setup.seeds)
        for source in setup.sources
        for mode, options in MODES.items()
        for pair in PAIRS
    ]  # fmt: skip


def report(results: Results) -> Report:
    """Return how well the features tell labels apart, the points, and the panels."""
    return joined(results, partial(_of, results), notes=NOTES)


def _of(results: Results, source: Source, rows: dict[str, list[Record]]) -> Report:
    names = [level.level for level in next(iter(rows.values()))[0].levels[:2]]
    seen = {each.name: _see(results, each) for records in rows.values() for each in records}
    of_row = {row: [seen[each.name] for each in records] for row, records in rows.items()}
    numbers = [
        {"dataset": source.key, "row": row, **each} for row, found in of_row.items() for each in _numbers(names, found)
    ]
    figures = {f"{mode}-{source.key}": _figure(results, source, names, mode, of_row) for mode in MODES}
    points = {f"{mode}-{source.key}": _points(names, mode, of_row) for mode in MODES}
    return Report(
        {source.key: _table(source, names, of_row)}, numbers, _verdicts(source, names, rows, seen), figures,
        points=points,
    )  # fmt: skip


def _see(results: Results, record: Record) -> Seen:
    predictor = Predictor.load(results.runs / record.name, device=record.config["device"])
    found = features_of_test_images(predictor)
    plain = found.features.shape[1] == 2
    points = found.features.astype(np.float64) if plain else plane_of(found.features)
    scores = silhouettes(found.features, found.truth), neighbour_accuracy(found.features, found.truth)
    return Seen(points, found.truth, found.images, *scores)


def _measures(names: Sequence[str], found: Sequence[Seen]) -> dict[str, list[float]]:
    measured: dict[str, list[float]] = {}
    for k, name in enumerate(names):
        measured[f"silhouette, {name}"] = [float(each.silhouette[k]) for each in found]
        measured[f"10 nearest, {name}"] = [float(each.neighbours[k]) for each in found]
    return measured


def _table(source: Source, names: Sequence[str], rows: Mapping[str, Sequence[Seen]]) -> Table:
    measured = {row: _measures(names, found) for row, found in rows.items()}
    header = ("", "seeds", *next(iter(measured.values())))
    lines = [
        (row, str(len(rows[row])), *(mean_and_sd(spread(values)) for values in found.values()))
        for row, found in measured.items()
    ]
    notes = ("In percent: the mean silhouette of test images under their labels, and the share whose label most of the "
             "10 nearest others have.",)  # fmt: skip
    return Table(f"{TITLE}: {source.title}", header, tuple(lines), notes)


def _numbers(names: Sequence[str], found: Sequence[Seen]) -> list[dict[str, Any]]:
    return [
        {"seeds": len(found), "measure": measure, **percent_points(spread(values))}
        for measure, values in _measures(names, found).items()
    ]


def _verdicts(
    source: Source, names: Sequence[str], rows: Mapping[str, Sequence[Record]], seen: Mapping[str, Seen]
) -> list[Verdict]:
    said = (
        ("Coarse labels become more separated with the help of finer features", (1.0, 1.0), (1.0, 0.0), 0),
        ("Fine labels become less separated with coarse features", (0.0, 1.0), (1.0, 1.0), 1),
    )
    return [
        _verdict(source, Claim(one, two, f"silhouette, {names[level]}", says), changes)
        for mode in MODES
        for says, better, worse, level in said
        for one, two in [(f"{mode}_{row_of(*better)}", f"{mode}_{row_of(*worse)}")]
        if (changes := _changes(rows.get(one, []), rows.get(two, []), seen, level))
    ]


def _changes(better: Sequence[Record], worse: Sequence[Record], seen: Mapping[str, Seen], level: int) -> list[float]:
    """Return the differences of silhouettes of two rows, of the seeds that both have."""
    one, two = ({each.seed: seen[each.name].silhouette[level] for each in row} for row in (better, worse))
    return [float(one[seed] - two[seed]) for seed in sorted(one.keys() & two.keys())]


def _verdict(source: Source, claim: Claim, changes: Sequence[float]) -> Verdict:
    by_seed, nothing = over_seeds(changes), Interval(float("nan"), float("nan"))
    outcome = outcome_of(by_seed, nothing)
    return Verdict(source.key, claim, claim.measure, len(changes), mean(changes), by_seed, nothing, outcome)


def _figure(
    results: Results, source: Source, names: Sequence[str], mode: str, rows: Mapping[str, Sequence[Seen]]
) -> bytes:
    how = "t-SNE of f" if mode == "tsne" else "a feature of two units"
    with picture((14.0, 3.9), f"{source.title}, test images: {how}", quick=results.setup.quick) as made:
        panels: Sequence[Axes] = made.figure.subplots(1, len(PANELS))
        for panel, ((alpha, beta), level) in zip(panels, PANELS, strict=True):
            panel.set_title(f"alpha {alpha:g}, beta {beta:g}, by {names[level]}", fontsize=10, loc="left")
            panel.set_xticks([])
            panel.set_yticks([])
            if found := rows.get(f"{mode}_{row_of(alpha, beta)}"):
                _draw(panel, found[0], level)
    return made.png


def _points(names: Sequence[str], mode: str, rows: Mapping[str, Sequence[Seen]]) -> list[dict[str, Any]]:
    """Return where each test image of the runs in a figure lies, and the numbers of its labels, -1 where unknown."""
    shown = [(row, rows[row][0]) for row in (f"{mode}_{row_of(*pair)}" for pair in PAIRS) if row in rows]
    return [
        {"row": row, "image": image, "x": x, "y": y, **dict(zip(names, labels, strict=False))}
        for row, seen in shown
        for image, (x, y), labels in zip(seen.images, seen.points.tolist(), seen.truth.tolist(), strict=True)
    ]


def _draw(panel: Axes, seen: Seen, level: int) -> None:
    column = seen.truth[:, level]
    for at, label in enumerate(np.unique(column[column >= 0]).tolist()):
        x, y = seen.points[column == label].T
        colour, marker = COLOURS[at % len(COLOURS)], MARKERS[at // len(COLOURS) % len(MARKERS)]
        panel.scatter(x, y, s=8, color=colour, marker=marker, linewidths=0, alpha=0.8)
    panel.set_xlabel(f"silhouette {100 * seen.silhouette[level]:.1f}, 10 nearest {100 * seen.neighbours[level]:.1f} %")
