"""Pictures of calibration and caution: reliability per level, and what accuracy costs in depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from taxonomy.metrics import BINS
from taxonomy.palette import MUTED
from taxonomy.pictures import png
from trainer.inference.answering.calibrate import Reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

DPI = 150
BEFORE, AFTER = MUTED[6], MUTED[0]
STYLES = {"path": "-", "threshold": "--", "darts": ":"}


def reliability_plot(before: Sequence[Reliability], after: Sequence[Reliability], title: str) -> bytes:
    """Draw how often answers are right by how likely they are said to be, a panel for each level; return a PNG.

    Beside the answers afterwards is the range that 95 % of such bins would lie in if all probabilities were true.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"text.parse_math": False}):  # a dollar in a name is a dollar
        figure = Figure(figsize=(3.4 * len(before), 4.2), layout="constrained")
        rows = figure.subplots(2, len(before), sharex=True, squeeze=False, height_ratios=(4, 1))
        for k, (one, other) in enumerate(zip(before, after, strict=True)):
            _reliability_panel(rows[0, k], one, other)
            _counts_panel(rows[1, k], one, other)
            rows[1, k].set_xlabel("stated probability")
        rows[0, 0].set_ylabel("share right")
        rows[1, 0].set_ylabel("answers")
        figure.suptitle(title, fontsize=11)
        return png(figure, DPI)


def _reliability_panel(panel: Axes, before: Reliability, after: Reliability) -> None:
    panel.plot([0, 1], [0, 1], color="#777777", linewidth=1, linestyle="--")
    filled = after.count > 0
    low, high = after.chance.right_low[filled], after.chance.right_high[filled]
    panel.fill_between(after.probability[filled], low, high, color=AFTER, alpha=0.15, linewidth=0)
    for found, colour, marker, name in ((before, BEFORE, "s", "before"), (after, AFTER, "o", "after")):
        label = f"{name}, error {100 * found.error:.1f} %, {100 * found.chance.error:.1f} by chance"
        panel.plot(
            found.probability, found.right, color=colour, marker=marker, markersize=4, linewidth=1.6, label=label
        )
    panel.set_title(before.level, fontsize=10)
    panel.set_xlim(0, 1)
    panel.set_ylim(0, 1)
    panel.legend(framealpha=0.8, edgecolor="none", fontsize=8, loc="lower right")
    _plain(panel)


def _counts_panel(panel: Axes, before: Reliability, after: Reliability) -> None:
    middles = [(i + 0.5) / BINS for i in range(BINS)]
    for found, colour in ((before, BEFORE), (after, AFTER)):
        panel.step(middles, found.count, where="mid", color=colour, linewidth=1.4)
    panel.set_ylim(bottom=0)
    _plain(panel)


def operating_plot(
    curves: Mapping[str, DataFrame], levels: Sequence[str], title: str, target: float | None = None
) -> bytes:
    """Draw how accuracy is bought with depth, and how many answers go down to each level; return a PNG.

    Parameters
    ----------
    curves
        For each rule what `operating_curve` returns; that of ``path`` is drawn by level too.
    levels
        The names of the levels, coarsest first.
    target
        The share of answers that are to be right, drawn as a line.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"text.parse_math": False}):
        figure = Figure(figsize=(9, 4), layout="constrained")
        trade, depth = figure.subplots(1, 2)
        for (rule, curve), colour in zip(curves.items(), MUTED, strict=False):
            trade.plot(
                100 * curve["specificity"], 100 * curve["accuracy"], color=colour, linestyle=STYLES[rule], label=rule
            )
        path = curves["path"]
        trade.fill_between(
            100 * path["specificity"], 100 * path["low"], 100 * path["high"], color=MUTED[0], alpha=0.15, linewidth=0
        )
        for level, colour, style in zip(
            levels, MUTED * len(levels), ("-", "--", ":", "-.") * len(levels), strict=False
        ):
            depth.plot(
                100 * path[f"{level}_answered"], 100 * path["accuracy"], color=colour, linestyle=style, label=level
            )
        trade.set_xlabel("specificity of answers, % of a leaf's information")
        depth.set_xlabel("answers that go down to the level, %")
        for panel in (trade, depth):
            if target is not None:
                panel.axhline(100 * target, color="#777777", linewidth=1)
            panel.set_ylabel("right answers, %")
            panel.set_xlim(0, 102)
            panel.legend(frameon=False, fontsize=9, loc="lower left")
            _plain(panel)
        figure.suptitle(title, fontsize=11)
        return png(figure, DPI)


def _plain(panel: Axes) -> None:
    panel.grid(color="#e5e5e5")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
