"""A picture of an induced tree: the dendrogram, where it was cut, and the groups of each level."""

from __future__ import annotations

import colorsys
import io
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from taxonomy.clustering.features import Float64
from taxonomy.clustering.naming import by_position
from taxonomy.clustering.report import leaf_order
from taxonomy.errors import HiertaxError
from taxonomy.files import write_atomic
from taxonomy.hierarchy import Hierarchy, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Color = tuple[float, float, float]
Branch = tuple[list[tuple[float, float]], Color]

ROW = 0.15  # inches of height per class
TALLEST = 120.0  # inches; beyond this, rows get too thin for labels, which are left out
GREY = (0.45, 0.45, 0.45)


def draw_tree(path: Path, hierarchy: Hierarchy, linkage: Float64 | None) -> None:
    """Draw a tree to a file whose suffix names the format: ``.png``, ``.pdf``, ``.svg``.

    Parameters
    ----------
    hierarchy
        The tree; its groups colour the branches and the strips beside the leaves.
    linkage
        The dendrogram over the classes, in their order, that the groups were cut from; without one the
        branches show the levels alone.

    Raises
    ------
    HiertaxError
        If the format is unknown, matplotlib is missing, or the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise HiertaxError('drawing needs matplotlib; pip install "hiertax[plot]"') from None
    groups = hierarchy.paths[:, :-1]
    order, _ = leaf_order(linkage) if linkage is not None else (np.lexsort(groups.T[::-1]), None)
    numbers, named = _numbers(hierarchy)
    height = min(ROW * len(order) + 1.6, TALLEST)
    wide = (1.9 if named else 0.42) * groups.shape[1]
    width = 11.0 + wide
    figure = Figure(figsize=(width, height), dpi=130)
    bottom, tall = 0.7 / height, 1 - 1.6 / height
    tree = figure.add_axes((0.3 / width, bottom, 7.4 / width, tall))
    strips = figure.add_axes((7.85 / width, bottom, wide / width, tall))
    colors = _colors(hierarchy)
    _draw_branches(tree, hierarchy, linkage, order, colors[0])
    _draw_strips(strips, hierarchy, order, colors, numbers if height < TALLEST else None)
    sizes = ", ".join(f"{len(level)} {level.name}" for level in hierarchy.levels)
    figure.suptitle(f"{hierarchy.name}: {sizes}", x=0.3 / width, y=1 - 0.12 / height, ha="left", va="top", fontsize=11)
    picture = io.BytesIO()
    try:
        figure.savefig(picture, format=path.suffix[1:].lower() or "png")
    except ValueError as error:
        raise HiertaxError(f"{path}: {str(error).partition(chr(10))[0]}; name the file .png, .pdf or .svg") from None
    write_atomic(path, picture.getvalue())


def _colors(hierarchy: Hierarchy) -> list[list[Color]]:
    """Give each coarsest group a hue and the groups inside it alternating shades of it."""
    count = hierarchy.sizes[0]
    hues = [(i * 0.618034) % 1 if count > 12 else i / count for i in range(count)]
    colors = [[colorsys.hls_to_rgb(hue, 0.45, 0.65) for hue in hues]]
    for k, level in enumerate(hierarchy.levels[1:-1], start=1):
        top, seen = hierarchy.ancestors(k, 0), dict[int, int]()
        shades = []
        for i, parent in enumerate(level.parents.tolist()):
            seen[parent] = seen.get(parent, -1) + 1
            shades.append(colorsys.hls_to_rgb(hues[top[i]], (0.42, 0.62, 0.78)[seen[parent] % 3], 0.55))
        colors.append(shades)
    return colors


def _draw_branches(
    axes: Axes, hierarchy: Hierarchy, linkage: Float64 | None, order: IntArray, colors: list[Color]
) -> None:
    from matplotlib.collections import LineCollection

    if linkage is None:
        branches = _level_branches(hierarchy, order, colors)
        axes.set_xticks(range(hierarchy.depth + 1), [*(level.name for level in hierarchy.levels[::-1]), hierarchy.root])
    else:
        branches = _merge_branches(linkage, hierarchy.paths[:, 0], order, colors)
        _draw_cuts(axes, hierarchy, linkage)
        axes.set_xlabel("distance at which groups merge", fontsize=8)
    axes.add_collection(LineCollection([line for line, _ in branches], colors=[c for _, c in branches], linewidths=1.0))
    right = max(x for line, _ in branches for x, _ in line)
    axes.set_xlim(right * 1.03 or 1.0, 0)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_yticks([])
    axes.tick_params(labelsize=8)
    axes.spines[["left", "right", "top"]].set_visible(False)


def _merge_branches(linkage: Float64, top: IntArray, order: IntArray, colors: list[Color]) -> list[Branch]:
    """Return one bracket per merger, grey where it joins coarsest groups."""
    n = len(order)
    y, x, group = np.empty(2 * n - 1), np.zeros(2 * n - 1), np.empty(2 * n - 1, dtype=np.int64)
    y[order], group[:n] = np.arange(n), top
    branches: list[Branch] = [([(0.0, 0.0), (0.0, 0.0)], GREY)]  # what a single class has
    for node, (one, two, height, _) in enumerate(linkage.tolist(), start=n):
        a, b = int(one), int(two)
        x[node], y[node] = height, (y[a] + y[b]) / 2
        group[node] = group[a] if group[a] == group[b] else -1
        line = [(float(x[a]), float(y[a])), (height, float(y[a])), (height, float(y[b])), (float(x[b]), float(y[b]))]
        branches.append((line, GREY if group[node] < 0 else colors[group[node]]))
    return branches


def _level_branches(hierarchy: Hierarchy, order: IntArray, colors: list[Color]) -> list[Branch]:
    """Return an elbow from every label to its parent; a level is one unit high."""
    y = np.empty(len(order))
    y[order] = np.arange(len(order))
    branches: list[Branch] = []
    for k in range(hierarchy.depth - 1, -1, -1):
        parents, top = hierarchy.levels[k].parents, hierarchy.ancestors(k, 0)
        above = np.bincount(parents, weights=y) / np.bincount(parents)
        x = float(hierarchy.depth - 1 - k)
        for i, parent in enumerate(parents):
            line = [
                (x, float(y[i])),
                (x + 0.5, float(y[i])),
                (x + 0.5, float(above[parent])),
                (x + 1, float(above[parent])),
            ]
            branches.append((line, colors[top[i]] if k else GREY))
        y = above
    return branches


def _draw_cuts(axes: Axes, hierarchy: Hierarchy, linkage: Float64) -> None:
    heights = np.concatenate([[0.0], linkage[:, 2]])
    n = len(heights)
    for k, (name, size) in enumerate(
        zip((level.name for level in hierarchy.levels), hierarchy.sizes[:-1], strict=False)
    ):
        last, following = heights[n - size], heights[min(n - size + 1, n - 1)]
        x = (last + following) / 2
        axes.axvline(x, color="black", linestyle=(0, (4, 3)), linewidth=0.8)
        text = f"{name}: {size}"
        axes.annotate(
            text, (x, 1), xycoords=("data", "axes fraction"), xytext=(0, 3 + 10 * (k % 2)),
            textcoords="offset points", fontsize=8, ha="center",
        )  # fmt: skip


def _numbers(hierarchy: Hierarchy) -> tuple[list[list[str]], bool]:
    """Return what to write on each group: its place in the tree, and its name where it has one of its own."""
    places, named = by_position(hierarchy.paths[:, :-1]), False
    texts: list[list[str]] = []
    for level, default in zip(hierarchy.levels, places, strict=False):
        own = [label != usual for label, usual in zip(level.labels, default, strict=True)]
        named = named or any(own)
        texts.append([
            usual.split(" ")[1] + (f"  {label}" if is_own else "")
            for label, usual, is_own in zip(level.labels, default, own, strict=True)
        ])  # fmt: skip
    return texts, named


def _draw_strips(
    axes: Axes, hierarchy: Hierarchy, order: IntArray, colors: list[list[Color]], texts: list[list[str]] | None
) -> None:
    """Draw one column per level, a coloured box per group with its text, and the class labels beside."""
    groups = hierarchy.paths[:, :-1]
    for k, column in enumerate(groups.T):
        edges = np.flatnonzero(np.diff(column[order], prepend=-1, append=-1))
        for first, last in pairwise(edges.tolist()):
            group = int(column[order[first]])
            axes.barh(first - 0.5, 0.94, last - first, k, color=colors[k][group], align="edge", edgecolor="white")
            if texts is not None:
                axes.text(
                    k + 0.47, (first + last - 1) / 2, _short(texts[k][group], 34), ha="center", va="center",
                    fontsize=6, color="white" if np.dot(colors[k][group], (0.299, 0.587, 0.114)) < 0.5 else "black",
                )  # fmt: skip
    axes.set_xlim(0, groups.shape[1])
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.xaxis.tick_top()
    axes.yaxis.tick_right()
    axes.set_xticks(np.arange(groups.shape[1]) + 0.47, [level.name for level in hierarchy.levels[:-1]])
    if texts is None:
        axes.set_yticks([])
    else:
        labels = hierarchy.levels[-1].labels
        axes.set_yticks(range(len(order)), [_short(labels[i], 38) for i in order])
    axes.tick_params(axis="both", length=0, labelsize=7)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _short(label: str, width: int) -> str:
    return label if len(label) <= width else label[: width - 1] + "…"
