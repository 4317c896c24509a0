"""Figures of experiments: what all of them have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from taxonomy.pictures import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")  # Okabe and Ito's
GREY: Final = "#6b7280"
QUICK: Final = "QUICK: a scaled-down version on drawn birds; its numbers say nothing of the paper's"
DPI: Final = 150


@dataclass
class Picture:
    """A figure that is being drawn, and its PNG file once it is."""

    figure: Figure
    png: bytes = b""


@contextmanager
def picture(size: tuple[float, float], title: str, *, quick: bool) -> Iterator[Picture]:
    """Draw a figure of so many inches; where it is of a scaled-down version, it says so."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"text.parse_math": False, "axes.spines.top": False, "axes.spines.right": False}):
        made = Picture(Figure(figsize=size, layout="constrained", facecolor="white"))
        made.figure.suptitle(f"{title}\n{QUICK}" if quick else title, fontsize=10)
        yield made
        made.png = png(made.figure, DPI)
