"""A radial picture of a hierarchy: the root in the middle, the classes around, coloured by the top level.

Lengths are in inches and angles in radians. The picture grows with the tree, so that all names of a level
are equally large and none overlaps another; everything is placed (`arrange`) before anything is drawn.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from taxonomy.errors import HiertaxError
from taxonomy.files import write_atomic
from taxonomy.hierarchy import Hierarchy
from taxonomy.palette import colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

POINT: Final = 1 / 72
TITLE, SIZES, TOP, ROOT, LEAF, INNER = 15.0, 10.0, 11.0, 11.0, 8.0, 7.0  # font sizes, points
LINE: Final = 1.28  # line height in font sizes
PAD: Final = 0.07
MARGIN: Final = 0.2
BAND: Final = 0.1  # of the coloured ring outside the names
TOP_GAP, INNER_GAP = 1.5, 0.6  # empty slots between groups of the top level, and of the levels below it
MOST_CLASSES: Final = 2000
MOST_LEVELS: Final = 30
LONGEST: Final = 60  # characters drawn of a name
_UNDRAWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]")
INK, SOFT = "#1d2330", "#5c6577"
FONT = "DejaVu Sans"  # comes with matplotlib, so that pictures are the same everywhere


@dataclass(frozen=True)
class Label:
    """A name: the centre, width, height and rotation (degrees) of its box, and how it is written."""

    text: str
    x: float
    y: float
    width: float
    height: float
    rotation: float
    size: float
    bold: bool = False
    colour: str = INK


@dataclass(frozen=True)
class Stroke:
    """A line of the tree or the outer ring: points ``[P, 2]``, colour, and width in points."""

    points: Floats
    colour: str
    width: float


@dataclass(frozen=True)
class Picture:
    """What is drawn around the root, and the sheet it is drawn on: left, right, bottom and top edge."""

    labels: tuple[Label, ...]
    strokes: tuple[Stroke, ...]
    dots: Floats  # [P, 2], of the taxa
    dot_colours: tuple[str, ...]
    sheet: tuple[float, float, float, float]


@dataclass(frozen=True)
class Frame:
    """The tree in polar coordinates: by level, the names, their widths, angles, radius and colours."""

    hierarchy: Hierarchy
    names: list[list[str]]
    widths: list[Floats]
    angles: list[Floats]
    radii: Floats
    rim: float  # where the branches begin, around the root's name
    shade: list[list[str]]


def save(hierarchy: Hierarchy, path: Path) -> None:
    """Draw a hierarchy to an ``.svg`` or ``.png`` file; the same hierarchy gives the same bytes.

    Raises
    ------
    HiertaxError
        If the suffix is neither, there are too many classes to read, or the file cannot be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("svg", "png"):
        raise HiertaxError(f"{path}: a picture is .svg or .png; name --out so")
    if (count := hierarchy.sizes[-1]) > MOST_CLASSES:
        raise HiertaxError(
            f"{hierarchy.name!r} has {count} classes, more than the {MOST_CLASSES} that a picture can show; "
            "`hiertax convert --to html` gives a page to search"
        )
    if hierarchy.depth > MOST_LEVELS:
        raise HiertaxError(f"{hierarchy.name!r} has {hierarchy.depth} levels, more than the {MOST_LEVELS} of a picture")
    import matplotlib as mpl  # an extra, and slow to import

    out = io.BytesIO()
    settings = mpl.rc_context({"font.family": FONT, "svg.hashsalt": "hiertax", "svg.fonttype": "path"})
    with settings, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of missing glyphs: `unprintable` tells of them
        picture = arrange(hierarchy)
        size = picture.sheet[3] - picture.sheet[2]
        about: dict[str, Any] = {"Date": None, "Creator": "hiertax"} if kind == "svg" else {"Software": "hiertax"}
        draw(picture).savefig(out, format=kind, dpi=min(200, 12000 / size), metadata=about)
    write_atomic(path, out.getvalue())


def unprintable(hierarchy: Hierarchy) -> str:
    """Return the characters of names that the picture's font lacks; they show as boxes."""
    from matplotlib.font_manager import findfont, get_font

    known = get_font(findfont(FONT)).get_charmap()
    used = set(
        "".join([hierarchy.name, hierarchy.root, *(name for level in hierarchy.levels for name in level.labels)])
    )
    return "".join(sorted(char for char in used if ord(char) not in known and not char.isspace()))


# ---------------------------------------------------------------- placing


def arrange(hierarchy: Hierarchy) -> Picture:
    """Place everything on the sheet."""
    names = [[_drawn(label) for label in level.labels] for level in hierarchy.levels]
    sizes = [INNER] * (hierarchy.depth - 1) + [LEAF]
    widths = [np.array([_width(name, size) for name in row]) for row, size in zip(names, sizes, strict=True)]
    angles, spans, total = _angles(hierarchy)
    rim = _width(_drawn(hierarchy.root), ROOT, bold=True) / 2 + 2 * PAD
    radii = _radii(angles, widths, rim, total)
    ring = colours(hierarchy.sizes[0]) if hierarchy.depth > 1 else colours(1) * hierarchy.sizes[0]
    shade = [[ring[i] for i in hierarchy.ancestors(k, 0).tolist()] for k in range(hierarchy.depth)]
    frame = Frame(hierarchy, names, widths, angles, radii, rim, shade)
    labels = [Label(_drawn(hierarchy.root), 0, 0, 2 * (rim - 2 * PAD), ROOT * LINE * POINT, 0, ROOT, bold=True)]
    strokes = [stroke for k in range(hierarchy.depth) for stroke in _branches(frame, k)]
    for k in range(min(1, hierarchy.depth - 1), hierarchy.depth):  # the names of the top level stand outside
        labels += _names(frame, k)
    if hierarchy.depth > 1:
        arcs, outer = _outer(frame, spans)
        strokes, labels = strokes + arcs, labels + outer
    dots = np.concatenate([_at(radii[k], angles[k]) for k in range(hierarchy.depth)])
    tints = tuple(colour for level in shade for colour in level)
    extent = np.concatenate([*map(_corners, labels), *(stroke.points for stroke in strokes)])
    heading, sheet = _headed(hierarchy, extent)
    return Picture((*labels, *heading), tuple(strokes), dots, tints, sheet)


def _headed(hierarchy: Hierarchy, extent: Floats) -> tuple[list[Label], tuple[float, float, float, float]]:
    """Put name and levels above the tree, and return them with the edges of the sheet around all."""
    (left, bottom), (right, top) = extent.min(axis=0) - MARGIN, extent.max(axis=0) + MARGIN
    sizes = " > ".join([_drawn(hierarchy.root), *(f"{_drawn(level.name)} {len(level)}" for level in hierarchy.levels)])
    y, labels = top + MARGIN, []
    for text, size, bold, colour in ((sizes, SIZES, False, SOFT), (_drawn(hierarchy.name), TITLE, True, INK)):
        width, height = _width(text, size, bold=bold), size * LINE * POINT
        labels.append(Label(text, left + MARGIN + width / 2, y + height / 2, width, height, 0, size, bold, colour))
        right = max(right, left + 2 * MARGIN + width)
        y += height
    return labels, (float(left), float(right), float(bottom), y + MARGIN)


def _angles(hierarchy: Hierarchy) -> tuple[list[Floats], Floats, float]:
    """Return the angle of each taxon, by level, the ends of each top group, and the slots of the circle.

    Leaves have a slot each, in the order of the tree and clockwise from the top; other taxa stand over the
    middle of theirs.
    """
    of_leaf, total = _slots(hierarchy)
    angles, spans = [], np.empty((0, 2))
    for k in range(hierarchy.depth):
        first, last = np.full(hierarchy.sizes[k], np.inf), np.full(hierarchy.sizes[k], -np.inf)
        np.minimum.at(first, hierarchy.paths[:, k], of_leaf)
        np.maximum.at(last, hierarchy.paths[:, k], of_leaf)
        angles.append(_angle((first + last) / 2, total))
        if k == 0:
            spans = np.stack([_angle(first - 0.5, total), _angle(last + 0.5, total)], axis=1)
    return angles, spans, total


def _slots(hierarchy: Hierarchy) -> tuple[Floats, float]:
    """Return the slot of each leaf, and the number of slots of the circle, those between groups among them."""
    order = np.lexsort(hierarchy.paths.T[::-1])
    paths = hierarchy.paths[order]
    split = (paths[1:] != paths[:-1]).argmax(axis=1)  # the level at which neighbours part
    gap = np.where(split == 0, TOP_GAP, INNER_GAP)
    gap[split == hierarchy.depth - 1] = 0
    slots = np.empty(len(order))
    slots[order] = np.concatenate([[0.0], np.cumsum(1 + gap)])
    return slots, float(slots.max()) + 1 + TOP_GAP


def _angle(slot: Floats, total: float) -> Floats:
    return np.asarray(np.pi / 2 - 2 * np.pi * (slot + 0.5 + TOP_GAP / 2) / total)


def _radii(angles: list[Floats], widths: list[Floats], rim: float, total: float) -> Floats:
    """Return the radius of each level: the smallest at which every name has room.

    Names of inner levels end at their node and stand on the branch from the level above, so a level needs
    the length of its longest name, and at the inner end of the names the height of one between any two.
    """
    depth = len(angles)
    share = np.ones(depth)
    share[:-1] = np.linspace(0.3, 0.8, depth - 1) if depth > 2 else 0.5
    radius = max(1.5, LEAF * LINE * POINT * total / (2 * np.pi))
    radius = max(radius, (rim + 4 * PAD) / share[0])
    for k in range(1, depth - 1):
        room, height = float(widths[k].max()) + 3 * PAD, INNER * LINE * POINT
        radius = max(radius, room / (share[k] - share[k - 1]), (room + height / _closest(angles[k])) / share[k])
    if depth > 1:
        beyond = float(widths[-1].max()) + 4.5 * PAD + BAND
        radius = max(radius, TOP * LINE * POINT / _closest(angles[0]) - beyond)
    return np.asarray(share * radius)


def _closest(angles: Floats) -> float:
    """Return the smallest angle between two of these directions."""
    ordered = np.sort(angles)
    return float(np.diff(ordered, append=ordered[0] + 2 * np.pi).min())


def _branches(frame: Frame, k: int) -> Iterator[Stroke]:
    """Yield the branches into level k: spokes, broken where a name stands, and arcs at the level above."""
    named = 0 < k < len(frame.angles) - 1
    width = max(0.9, 1.9 - 0.5 * k)
    start = frame.radii[k - 1] if k else frame.rim
    for i, angle in enumerate(frame.angles[k].tolist()):
        end = frame.radii[k] - (frame.widths[k][i] + 2 * PAD if named else 0)
        yield Stroke(_at(np.array([start, end]), np.array([angle, angle])), frame.shade[k][i], width)
    if k:
        for parent, colour in enumerate(frame.shade[k - 1]):
            below = frame.angles[k][frame.hierarchy.levels[k].parents == parent]
            yield _arc(start, float(below.min()), float(below.max()), colour, width)


def _arc(radius: float, start: float, end: float, colour: str, width: float) -> Stroke:
    steps = 2 + int(abs(end - start) * radius / 0.04)
    return Stroke(_at(np.full(steps, radius), np.linspace(start, end, steps)), colour, width)


def _names(frame: Frame, k: int) -> Iterator[Label]:
    """Yield the names of level k along their spokes: leaves outside their node, others inside."""
    outside = k == len(frame.angles) - 1
    for name, width, angle in zip(frame.names[k], frame.widths[k].tolist(), frame.angles[k].tolist(), strict=True):
        shift = PAD + width / 2
        centre = frame.radii[k] + (shift if outside else -shift)
        yield _label(name, centre, angle, width, LEAF if outside else INNER, along=True)


def _outer(frame: Frame, spans: Floats) -> tuple[list[Stroke], list[Label]]:
    """Return arc and name of each top group; a name lies along its arc where that is long enough."""
    radius = float(frame.radii[-1] + 3 * PAD + frame.widths[-1].max())
    arcs, labels = [], []
    for i, (start, end) in enumerate(spans.tolist()):
        name, angle = frame.names[0][i], float(frame.angles[0][i])
        width = _width(name, TOP, bold=True)
        along = (start - end) * radius < 1.2 * width
        centre = radius + BAND + 1.5 * PAD + (width if along else TOP * LINE * POINT) / 2
        arcs.append(_arc(radius + BAND / 2, start, end, frame.shade[0][i], BAND / POINT))
        labels.append(_label(name, centre, angle, width, TOP, along=along, bold=True))
    return arcs, labels


def _corners(label: Label) -> Floats:
    """Return the corners ``[4, 2]`` of a name's box."""
    turn = np.radians(label.rotation)
    across = np.array([np.cos(turn), np.sin(turn)]) * label.width / 2
    up = np.array([-np.sin(turn), np.cos(turn)]) * label.height / 2
    return np.array([label.x, label.y]) + np.stack([across + up, across - up, -across - up, -across + up])


def _label(
    text: str, radius: float, angle: float, width: float, size: float, *, along: bool, bold: bool = False
) -> Label:
    """Centre a name at a polar place, along the radius or across it, never upside down."""
    x, y = _at(np.array([radius]), np.array([angle]))[0].tolist()
    turn = np.degrees(angle) if along else np.degrees(angle) - 90
    upright = (turn + 90) % 180 - 90
    return Label(text, x, y, width, size * LINE * POINT, float(upright), size, bold)


def _at(radius: Floats | float, angle: Floats) -> Floats:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def _drawn(name: str) -> str:
    """Return a name as it is drawn: on one line, without what XML forbids, and cut where it is absurdly long."""
    line = _UNDRAWABLE.sub("�", " ".join(name.split()))
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


@cache
def _width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a line of text in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=FONT, size=size, weight="bold" if bold else "normal")
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) * POINT


# ---------------------------------------------------------------- drawing


def draw(picture: Picture) -> Figure:
    """Draw an arranged picture with matplotlib, one inch on the sheet per unit."""
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    left, right, bottom, top = picture.sheet
    figure = Figure(figsize=(right - left, top - bottom), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.add_collection(
        LineCollection(
            [stroke.points for stroke in picture.strokes], colors=[stroke.colour for stroke in picture.strokes],
            linewidths=[stroke.width for stroke in picture.strokes], capstyle="butt",
        )
    )  # fmt: skip
    axes.scatter(picture.dots[:, 0], picture.dots[:, 1], s=9, c=list(picture.dot_colours), linewidths=0, zorder=3)
    for label in picture.labels:
        axes.text(
            label.x, label.y, label.text, rotation=label.rotation, rotation_mode="anchor", ha="center", va="center",
            fontsize=label.size, color=label.colour, weight="bold" if label.bold else "normal", parse_math=False,
        )  # fmt: skip
    return figure
