"""The figure of maps: a row for each image and run, a column for each level (Chang et al. 2021, figure 5).

What a level looked at stays bright and is outlined, the rest is dark; what tells them apart is lightness, not colour.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from taxonomy import HiertaxError
from taxonomy.files import write_atomic
from taxonomy.pictures import check_png, png
from trainer.explanation.explain import Explanation
from trainer.inference.answers import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS: Final = 40  # a figure of more is larger than viewers show
PANEL: Final = 2.1  # inches, of an image
GAP: Final = 0.12
SIDE: Final = 1.45  # of the names of runs on the left
TOP, BOTTOM, BELOW = 0.62, 0.1, 0.56  # of title and heads, the margin, and the lines under a panel
FONT, SIZE, SMALL = "DejaVu Sans", 8.5, 7.5  # it comes with matplotlib, so that pictures are the same everywhere
INK, SOFT, OUTLINE = "#1d2330", "#5c6577", "#ffffff"
PART: Final = "#ffd34e"  # the outline of a part, on a darker one
DIM: Final = 0.28  # how bright what was not looked at stays
DPI: Final = 150


def save_figure(rows: Sequence[Explanation], out: Path) -> None:
    """Draw images with their maps, a row each, as a PNG.

    Raises
    ------
    HiertaxError
        If there are too many rows, runs have different levels or settings, or the file is no .png or cannot be written.
    """
    check_rows(len(rows))
    check_png(out)
    if len({row.levels for row in rows}) > 1 or len({row.settings for row in rows}) > 1:
        raise HiertaxError(f"{rows[0].run}: its levels or settings differ from those of others; make a figure of each")
    from matplotlib import rc_context

    names_as_they_are = rc_context({"text.parse_math": False, "font.family": FONT})  # a dollar in a name is a dollar
    with names_as_they_are, warnings.catch_warnings(action="ignore", category=UserWarning):  # a sign it lacks is a box
        write_atomic(out, png(draw_figure(rows), DPI))


def check_rows(count: int) -> None:
    """Refuse a figure that nobody could look at.

    Raises
    ------
    HiertaxError
        If it is of more than `MOST_ROWS` rows.
    """
    if count > MOST_ROWS:
        raise HiertaxError(
            f"figure: {count} rows of images are too many to look at, {MOST_ROWS} at most; name fewer images, "
            "or ask for the numbers alone"
        )


def draw_figure(rows: Sequence[Explanation]) -> Figure:
    """Draw images with their maps, a row each; those of one image stand together."""
    from matplotlib.figure import Figure

    levels, settings = rows[0].levels, rows[0].settings
    columns = 1 + len(levels)
    width = SIDE + columns * (PANEL + GAP)
    step = PANEL + BELOW
    height = TOP + len(rows) * step + BOTTOM
    figure = Figure(figsize=(width, height), facecolor="white")
    gamma = {"as-trained": "gamma as trained", "off": "gamma off"}[settings.gamma]
    about = f"Grad-CAM, {gamma}; bright: at least {settings.threshold:g} of the maximum"
    boxes = "; boxes: parts that were looked at beside the image" if any(len(row.parts) for row in rows) else ""
    figure.text(0.1 / width, 1 - 0.14 / height, about + boxes, size=SIZE, color=SOFT, va="top")
    for i, row in enumerate(rows):
        bottom = height - TOP - i * step - PANEL
        is_new = i == 0 or rows[i - 1].image != row.image or len(row.parts) > 0
        side = [("\n".join(wrapped(row.run.name, SIDE - 0.2, 3, bold=True)), INK, "bold"), (row.method, SOFT, "normal")]
        _lines(figure, 0.1 / width, (bottom + PANEL) / height, height, side)
        for column in range(columns):
            left = SIDE + column * (PANEL + GAP)
            panel = figure.add_axes((left / width, bottom / height, PANEL / width, PANEL / height))
            panel.set_axis_off()
            if i == 0:
                head = "image" if column == 0 else levels[column - 1]
                panel.text(
                    0, 1 + 0.06 / PANEL, shortened(head, PANEL, SIZE + 0.5, bold=True), size=SIZE + 0.5, weight="bold",
                    color=INK, transform=panel.transAxes,
                )  # fmt: skip
            if column:
                _level_panel(panel, row, column - 1)
            elif is_new:
                panel.imshow(row.pixels)
                _frame_parts(panel, row)
                _caption(panel, [(shortened(row.image, PANEL, SMALL, keep_end=True), SOFT)])
    return figure


def _frame_parts(panel: Axes, row: Explanation) -> None:
    """Outline parts, light on dark so that they are seen on any photograph; what is beyond the image is not shown."""
    from matplotlib.patches import Rectangle

    panel.autoscale(False)
    for left, top, right, bottom in row.parts.tolist():
        for colour, width in ((INK, 2.2), (PART, 1.0)):
            panel.add_patch(
                Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, edgecolor=colour, lw=width)
            )


def _level_panel(panel: Axes, row: Explanation, k: int) -> None:
    mask = row.masks[k]
    panel.imshow(shaded(row.pixels, mask))
    if mask.any() and not mask.all():
        framed = np.pad(mask, 1).astype(np.float32)  # so that it is outlined at the edge too
        place = np.arange(-1, len(mask) + 1)
        panel.contour(place, place, framed, levels=[0.5], colors=OUTLINE, linewidths=1.2)
        panel.set_xlim(-0.5, len(mask) - 0.5)
        panel.set_ylim(len(mask) - 0.5, -0.5)
    area = f"area {percent(row.areas[k])}" if mask.any() else "nothing speaks for it"
    lines = wrapped(row.labels[k], PANEL, 2)
    _caption(panel, [*((line, INK) for line in lines), (f"{percent(row.probability[k])} sure, {area}", SOFT)])


def shaded(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return an image ``[S, S, 3]`` that is dark where the mask ``[S, S]`` is not."""
    return np.where(mask[..., None], pixels, (pixels * DIM).astype(np.uint8)).astype(np.uint8)


def _caption(panel: Axes, lines: Sequence[tuple[str, str]]) -> None:
    for at, (text, colour) in enumerate(lines):
        size = SIZE if colour == INK else SMALL
        panel.text(0, -(0.05 + 0.155 * at) / PANEL, text, size=size, color=colour, va="top", transform=panel.transAxes)


def _lines(figure: Figure, x: float, y: float, height: float, texts: Sequence[tuple[str, str, str]]) -> None:
    for text, colour, weight in texts:
        figure.text(x, y, text, size=SIZE, color=colour, weight=weight, va="top", linespacing=1.25)
        y -= 0.165 * (1 + text.count("\n")) / height


def wrapped(text: str, room: float, most: int, *, bold: bool = False) -> list[str]:
    """Break a text at its spaces, or after signs, into at most so many lines of `room` inches; what is over is cut."""
    words = [word for word in text.replace("_", "_ ").replace("-", "- ").split(" ") if word]
    joints = ["" if one.endswith(("_", "-")) else " " for one in words]
    lines = [""]
    for at, word in enumerate(words):
        longer = lines[-1] + (joints[at - 1] if lines[-1] else "") + word
        if lines[-1] and text_width(longer, SIZE, bold=bold) > room and len(lines) < most:
            lines.append(word)
        else:
            lines[-1] = longer
    return [shortened(line, room, SIZE, bold=bold) for line in lines]


def shortened(text: str, room: float, size: float, *, keep_end: bool = False, bold: bool = False) -> str:
    """Cut a text to `room` inches with an ellipsis, at its end or, of a path, at its beginning."""
    text = " ".join(text.split())
    if text_width(text, size, bold=bold) <= room:
        return text
    while len(text) > 1 and text_width(f"{text}…", size, bold=bold) > room:
        text = text[1:] if keep_end else text[:-1]
    return f"…{text}" if keep_end else f"{text}…"


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a line of text in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=FONT, size=size, weight="bold" if bold else "normal")
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72
