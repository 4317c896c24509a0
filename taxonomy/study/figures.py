"""The charts of a study: Figs. 2a to 2c with intervals and the paper's values, scores, and raters of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from taxonomy.datasets.notes import counted
from taxonomy.errors import HiertaxError
from taxonomy.pictures import png
from taxonomy.study.analysis import Analysis, Share
from taxonomy.study.answers import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Paul Tol, "Colour Schemes" (SRON/EPS/TN/09-002), scheme "bright"; the last option, none, is grey.
COLOURS: Final = ("#4477AA", "#CCBB44", "#AA3377", "#228833", "#66CCEE", "#EE6677")
GREY: Final = "#BBBBBB"
INK: Final = "#1d2330"
SIZE: Final = (6.4, 4.0)  # inches
DPI: Final = 150


def draw_figures(analysis: Analysis) -> dict[str, bytes]:
    """Draw all figures, as PNG files by name; those by group only where there are groups.

    Raises
    ------
    HiertaxError
        If matplotlib is not installed.
    """
    _need_matplotlib()
    figures = {"fig2a": _multi_by_option(analysis)}
    if any(analysis.group_sizes):
        figures |= {"fig2b": _options_by_group(analysis), "fig2c": _multi_by_group(analysis)}
    if np.isfinite(analysis.scores).any():
        figures["scores"] = _histogram(analysis, analysis.scores, "Score of familiarity", "People")
    figures["raters"] = _raters(analysis)
    return {name: _png(figure, analysis) for name, figure in figures.items()}


def _multi_by_option(analysis: Analysis) -> Figure:
    figure, axes = _axes("Wanted by those who chose the label: one label, or more", "Responses, %")
    found = [share for share in analysis.table("fig2a") if share.option]
    _single_and_multi(axes, found, [str(share.option) for share in found])
    return figure


def _multi_by_group(analysis: Analysis) -> Figure:
    figure, axes = _axes("One label, or more, by group", "Responses, %")
    found = [share for share in analysis.table("fig2c") if share.option is None]
    _single_and_multi(axes, found, _group_names(found))
    return figure


def _options_by_group(analysis: Analysis) -> Figure:
    figure, axes = _axes("Label chosen, by group", "Responses, %")
    rows = analysis.table("fig2b")
    first = [share for share in rows if share.option == analysis.options[0]]
    width = 0.8 / len(analysis.options)
    for i, option in enumerate(analysis.options):
        colour = GREY if i == len(analysis.options) - 1 else COLOURS[i % len(COLOURS)]
        found = [share for share in rows if share.option == option]
        places = np.arange(len(found), dtype=np.float64) + (i - (len(analysis.options) - 1) / 2) * width
        _bars(axes, places, found, width, colour, _short(option))
    _finish(axes, _group_names(first))
    return figure


def _single_and_multi(axes: Axes, found: Sequence[Share], names: Sequence[str]) -> None:
    width = 0.38
    places = np.arange(len(found), dtype=np.float64)
    single = [100 * (1 - share.share) for share in found]
    axes.bar(places - width / 2, single, width, color=GREY, edgecolor=INK, linewidth=0.6, label="one label")
    _bars(axes, places + width / 2, found, width, COLOURS[0], "more than one")
    _finish(axes, names)


def _bars(
    axes: Axes, places: NDArray[np.floating], found: Sequence[Share], width: float,
    colour: str, label: str,
) -> None:  # fmt: skip
    heights = np.array([100 * share.share for share in found])
    axes.bar(places, heights, width, color=colour, edgecolor=INK, linewidth=0.6, label=label)
    ends = 100 * np.array([[share.low, share.high] for share in found]).T
    known = np.isfinite(ends).all(axis=0) & np.isfinite(heights)
    if known.any():
        reach = np.abs(ends - heights)[:, known]
        axes.errorbar(places[known], heights[known], reach, fmt="none", ecolor=INK, elinewidth=1, capsize=2.5)
    marks = [(x, share.published.percent) for x, share in zip(places, found, strict=True) if share.published]
    if marks:
        axes.plot(*zip(*marks, strict=True), "D", ms=5, mfc="white", mec=INK, zorder=5)


def _finish(axes: Axes, names: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    axes.set_xticks(range(len(names)), [_short(name) for name in names])
    axes.set_ylim(0, 105)
    handles = axes.get_legend_handles_labels()[0]
    if any(line.get_marker() == "D" for line in axes.get_lines()):
        handles = [*handles, Line2D([], [], ls="", marker="D", ms=5, mfc="white", mec=INK, label="paper")]
    axes.legend(handles=handles, frameon=False, ncols=len(handles), loc="upper center", bbox_to_anchor=(0.5, -0.16))


def _raters(analysis: Analysis) -> Figure:
    from matplotlib.ticker import MaxNLocator

    figure, axes = _axes("How many people answered each image", "Images")
    counts = np.bincount(analysis.raters)
    least = analysis.exclusion.least
    colours = [GREY if n < least else COLOURS[0] for n in range(len(counts))]
    axes.bar(np.arange(len(counts)), counts, color=colours, edgecolor=INK, linewidth=0.6)
    axes.set_xlabel(f"Responses (grey: fewer than {least}, left out)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _histogram(analysis: Analysis, values: FloatArray, x: str, y: str) -> Figure:
    from matplotlib.ticker import MaxNLocator

    figure, axes = _axes(f"Familiarity of the {len(analysis.scores)} people", y)
    axes.hist(values[np.isfinite(values)], bins=10, color=COLOURS[0], edgecolor=INK, linewidth=0.6)
    axes.set_xlabel(x)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _axes(title: str, y: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Figure, analysis: Analysis) -> bytes:
    if analysis.is_synthetic:
        figure.suptitle("SYNTHETIC RESPONSES: no participant was asked", color="#AA3377", fontsize=10, weight="bold")
    return png(figure)


def _group_names(found: Sequence[Share]) -> list[str]:
    return [f"group {share.group}\n{counted(share.people, 'person', 'people')}" for share in found]


def _short(name: str) -> str:
    """Return a name that matplotlib draws as it stands: no mathematics, nothing that does not print."""
    shown = "".join(c if c.isprintable() or c == "\n" else "?" for c in name).replace("$", r"\$")
    return shown if len(shown) <= 24 else f"{shown[:23]}..."


def _need_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError:
        raise HiertaxError("the figures need matplotlib; pip install 'hiertax[study]'") from None
