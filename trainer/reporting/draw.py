"""The figures of the page: small SVG pictures that stand side by side where there is room, and below each other else.

Names are in the text of the page alone: a figure holds numbers, so that no name can break or be cut in it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from taxonomy.metrics import BINS
from taxonomy.palette import MUTED
from trainer.evaluation.text import in_percent
from trainer.inference.answering.calibrate import Reliability
from trainer.reporting.gather import RunFacts, Scored

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 2.6, 2.1  # inches: four stand side by side
FEWEST: Final = 10  # answers of a group whose share of right ones is drawn
STYLES: Final = ("-", "--", "-.", ":")  # of runs, which so are told apart without colour too
DASHES: Final = ("none", "7 3", "7 2 2 2", "2 2")  # the same of SVG
INK, GRID, BEFORE = "#3d4452", "#e3e6ec", "#8a5a00"
SPLITS: Final = {"test": ("-", 1.8), "val": ("--", 1.3), "held_out": ("--", 1.3), "train": (":", 1.3)}
STYLE: Final[Any] = {
    "svg.fonttype": "path", "svg.hashsalt": "hiertax", "font.family": "DejaVu Sans", "font.size": 8,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
}  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A figure as the address of its own content, its title, what it shows in words, and a line to stand above it."""

    title: str
    address: str
    alt: str
    note: str = ""


def colour(i: int) -> str:
    """Return the colour of a run."""
    return MUTED[i % len(MUTED)]


def curves(runs: Sequence[RunFacts]) -> list[Picture]:
    """Draw the accuracy of each level over the epochs, and the loss; of one run on all splits, of several as scored."""
    pictures = []
    for level in runs[0].hierarchy.levels:
        with _panel() as (figure, axes):
            last = [_accuracies(axes, run, level.name, i, alone=len(runs) == 1) for i, run in enumerate(runs)]
            axes.set_ylabel("right, %")
            _epochs(axes)
            bottom = axes.get_ylim()[0]
            axes.set_ylim(max(0.0, 10 * np.floor(bottom / 10)), 101)
            pictures.append(Picture(level.name, _address(figure), f"Accuracy by epoch, in the end {', '.join(last)}"))
    with _panel() as (figure, axes):
        for i, run in enumerate(runs):
            _line(axes, run, "train_loss", i, STYLES[i % len(STYLES)])
        axes.set_ylabel("loss")
        axes.set_ylim(bottom=0)
        _epochs(axes)
        last = [f"{run.called} {_number(run.log[-1].get('train_loss'))}" for run in runs]
        pictures.append(Picture("Loss in training", _address(figure), f"Loss by epoch, in the end {', '.join(last)}"))
    return pictures


def operating(runs: Sequence[tuple[int, str, Scored]]) -> list[Picture]:
    """Draw how right answers are by how much they tell, and how many go down to each level by how sure they must be."""
    drawn = [(i, called, each) for i, called, each in runs if each.curve is not None]
    if not drawn:
        return []
    with _panel(1.5) as (figure, axes):
        for i, _, each in drawn:
            curve, points = each.curve, each.points
            assert curve is not None and points is not None  # noqa: PT018, S101 - tells mypy so
            _plot(axes, 100 * curve["specificity"], 100 * curve["accuracy"], i)
            axes.plot(100 * points["specificity"], 100 * points["accuracy"], "o", markersize=3.5, color=colour(i))
            if len(drawn) == 1:
                axes.fill_between(
                    100 * curve["specificity"], 100 * curve["low"], 100 * curve["high"], color=colour(i), alpha=0.15,
                    linewidth=0,
                )  # fmt: skip
        axes.set_xlabel("specificity, % of a leaf's information")
        axes.set_ylabel("right, %")
        axes.set_xlim(0, 102)
        words = "; ".join(_in_words(called, each) for _, called, each in drawn)
        return [Picture("Correctness against specificity", _address(figure), words)]


def reliability(runs: Sequence[tuple[int, str, Scored]]) -> list[Picture]:
    """Draw how often answers of each level are right by how likely they are said to be.

    One run is drawn uncalibrated too, and with the range that 95 % of bins would lie in if what is said were true.
    """
    pictures = []
    levels = [each.level for each in runs[0][2].reliability]
    for k, level in enumerate(levels):
        with _panel(rows=(4, 1)) as (figure, (above, below)):
            above.plot([0, 100], [0, 100], color="#8b93a3", linewidth=1)
            if len(runs) == 1 and runs[0][2].uncalibrated:
                _reliable(above, runs[0][2].uncalibrated[k], BEFORE, "--", "s")
            if len(runs) == 1:
                _by_chance(above, runs[0][2].reliability[k], colour(runs[0][0]))
            for i, _, each in runs:
                _reliable(above, each.reliability[k], colour(i), STYLES[i % len(STYLES)], "o")
                middles = [100 * (j + 0.5) / BINS for j in range(BINS)]
                below.step(middles, each.reliability[k].count, where="mid", color=colour(i), linewidth=1.2)
            above.set_ylabel("right, %")
            below.set_xlabel("stated probability, %")
            below.set_ylabel("answers")
            below.locator_params(axis="y", nbins=2)
            words = f"calibration error {', '.join(_error(each, k, called, len(runs)) for _, called, each in runs)}"
            pictures.append(Picture(level, _address(figure), words, words))
    return pictures


def _error(scored: Scored, k: int, called: str, runs: int) -> str:
    found = scored.reliability[k]
    error, chance = f"{in_percent(found.error)} %", f"{in_percent(found.chance.error)} %"
    if runs > 1:
        return f"{called} {error} ({chance} by chance alone)"
    without = f", {in_percent(scored.uncalibrated[k].error)} % without" if scored.uncalibrated else ""
    return f"{error}{without}; {chance} by chance alone"


def _accuracies(axes: Axes, run: RunFacts, level: str, i: int, *, alone: bool) -> str:
    splits = [split for split in SPLITS if f"{split}_{level}" in run.log[0]]
    for split in splits if alone else splits[:1]:
        style, width = SPLITS[split]
        _line(axes, run, f"{split}_{level}", i, style if alone else STYLES[i % len(STYLES)], 100, width)
    value = run.log[-1].get(f"{splits[0]}_{level}")
    return f"{run.called} {_number(None if value is None else 100 * value)} %"


def _line(axes: Axes, run: RunFacts, name: str, i: int, style: str, factor: float = 1, width: float = 1.8) -> None:
    values = [np.nan if row.get(name) is None else factor * row[name] for row in run.log]
    marker = "o" if len(values) == 1 else None
    axes.plot(range(1, len(values) + 1), values, style, color=colour(i), linewidth=width, marker=marker, markersize=4)


def _plot(axes: Axes, x: Any, y: Any, i: int) -> None:
    axes.plot(x, y, STYLES[i % len(STYLES)], color=colour(i), linewidth=1.8)


def _reliable(axes: Axes, found: Reliability, shade: str, style: str, marker: str) -> None:
    many = found.count >= FEWEST
    said, right = 100 * found.probability[many], 100 * found.right[many]
    axes.plot(said, right, style, color=shade, marker=marker, markersize=3, linewidth=1.4)
    axes.set_xlim(0, 101)
    axes.set_ylim(0, 103)


def _by_chance(axes: Axes, found: Reliability, shade: str) -> None:
    many = found.count >= FEWEST
    low, high = 100 * found.chance.right_low[many], 100 * found.chance.right_high[many]
    axes.fill_between(100 * found.probability[many], low, high, color=shade, alpha=0.15, linewidth=0)


def _in_words(called: str, scored: Scored) -> str:
    assert scored.points is not None  # noqa: S101 - tells mypy so
    rows = (
        f"{in_percent(row['accuracy'])} % right at {in_percent(row['specificity'])} % specificity"
        for row in (scored.points.iloc[0], scored.points.iloc[-1])
    )
    return f"{called}: {' to '.join(rows)}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _epochs(axes: Axes) -> None:
    axes.set_xlabel("epoch")
    axes.locator_params(axis="x", integer=True, min_n_ticks=1)  # of one epoch too


@contextmanager
def _panel(wider: float = 1, rows: tuple[int, ...] = (1,)) -> Iterator[tuple[Figure, Any]]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        width, height = WIDTH * wider, HEIGHT * wider + 0.5 * (len(rows) - 1)
        figure = Figure(figsize=(width, height))  # to lay it out by its texts takes as long as to draw it
        figure.subplots_adjust(0.58 / width, 0.42 / height, 1 - 0.08 / width, 1 - 0.06 / height, hspace=0.12)
        axes = figure.subplots(len(rows), 1, sharex=True, height_ratios=rows, squeeze=False)[:, 0]
        for each in axes:
            each.grid(color=GRID)
            each.set_axisbelow(True)
            each.spines[["top", "right"]].set_visible(False)
        yield figure, axes[0] if len(rows) == 1 else axes


def _address(figure: Figure) -> str:
    text = io.BytesIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(text.getvalue()).decode()}"
