"""What a built tree is like: group sizes, agreement with a reference, fidelity to the distances."""

from __future__ import annotations

from typing import Any

import numpy as np

from taxonomy.clustering.features import Float64
from taxonomy.clustering.representation import Representation
from taxonomy.hierarchy import Hierarchy, IntArray


def level_report(groups: IntArray) -> dict[str, Any]:
    """Describe one level: number and sizes of groups, and the entropy of the sizes in bits.

    Parameters
    ----------
    groups
        int64 ``[C]``: the group of each class.
    """
    size = np.bincount(groups)
    share = size / size.sum()
    return {
        "groups": len(size),
        "smallest": int(size.min()),
        "median": float(np.median(size)),
        "largest": int(size.max()),
        "entropy": float((share * np.log2(1 / share)).sum()),
        "largest_possible_entropy": float(np.log2(len(size))),
    }


def agreement(
    groups: IntArray, classes: tuple[str, ...], reference: Hierarchy, level: int, levels: int
) -> dict[str, Any]:
    """Score a level against one of a reference: adjusted Rand index and adjusted mutual information.

    The reference's level is that of the same index if it has as many levels, else that with the nearest
    number of labels by ratio.
    """
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

    index = [reference.class_index[name] for name in classes]
    columns = reference.paths[index]
    if reference.depth != levels:
        sizes = np.array([len(np.unique(column)) for column in columns.T])
        level = int(np.abs(np.log(sizes / (groups.max() + 1))).argmin())
    return {
        "reference_level": reference.levels[level].name,
        "ari": float(adjusted_rand_score(columns[:, level], groups)),
        "ami": float(adjusted_mutual_info_score(columns[:, level], groups)),
    }


def cophenetic_correlation(represented: Representation, groups: IntArray, linkage: Float64 | None) -> dict[str, Any]:
    """Correlate the distances between classes with their distances in the tree (Sokal & Rohlf 1962).

    Row by row, so that memory stays that of a few rows.

    Parameters
    ----------
    groups
        int64 ``[C, L]``: the levels of the tree; two classes are as far apart as their lowest common
        ancestor is high.
    linkage
        The dendrogram, where there is one; two classes are as far apart as they merge high.

    Returns
    -------
    ``tree`` and ``dendrogram``; None where distances do not vary, or there is no dendrogram.
    """
    order, adjacent = leaf_order(linkage) if linkage is not None else (np.arange(len(groups)), None)
    rows, paths = represented.rows[order], groups[order]
    sums = np.zeros((3, 3)), np.zeros(3)
    for i in range(len(rows) - 1):
        if represented.kind == "confusion":
            distance = 1 - rows[i, order[i + 1 :]]
        else:
            distance = np.sqrt(((rows[i + 1 :] - rows[i]) ** 2).sum(axis=1))
        height = (paths[i + 1 :] != paths[i]).sum(axis=1)
        merged = height if adjacent is None else np.maximum.accumulate(adjacent[i:])
        values = np.stack([distance, height, merged])
        sums[0][:] += values @ values.T
        sums[1][:] += values.sum(axis=1)
    pairs = len(rows) * (len(rows) - 1) / 2
    return {
        "tree": _pearson(*sums, pairs, 1),
        "dendrogram": None if linkage is None else _pearson(*sums, pairs, 2),
    }


def leaf_order(linkage: Float64) -> tuple[IntArray, Float64]:
    """Lay a dendrogram out without crossings.

    Returns
    -------
    The n points from left to right, int64 ``[n]``, and the height at which each meets its right
    neighbour, float64 ``[n-1]``. Of two branches the one with the smaller first member is on the left.
    """
    n = len(linkage) + 1
    members: dict[int, list[int]] = {i: [i] for i in range(n)}
    heights: dict[int, list[float]] = {i: [] for i in range(n)}
    for row, (one, two, height, _) in enumerate(linkage.tolist()):
        left, right = sorted((int(one), int(two)), key=lambda node: members[node][0])
        if len(members[left]) < len(members[right]):  # grow the longer list: no quadratic copying
            members[right][:0], heights[right][:0] = members.pop(left), [*heights.pop(left), height]
            members[n + row], heights[n + row] = members.pop(right), heights.pop(right)
        else:
            members[left] += members.pop(right)
            heights[left] += [height, *heights.pop(right)]
            members[n + row], heights[n + row] = members.pop(left), heights.pop(left)
    return np.array(members[2 * n - 2]), np.array(heights[2 * n - 2])


def table(report: dict[str, Any]) -> str:
    """Lay a report out as text, a line per level."""
    levels, scored = report["levels"], "ari" in report["levels"][0]
    lines = [
        "level       groups  classes in each: min / median / max   entropy" + ("    ARI    AMI   against" * scored)
    ]
    for each in levels:
        line = f"{each['level']:<10}{each['groups']:>8}"
        line += f"{each['smallest']:>22} / {each['median']:>6g} / {each['largest']:>3}"
        line += f"{each['entropy']:>6.2f} of {each['largest_possible_entropy']:.2f}"
        if scored:
            line += f"{each['ari']:>7.3f}{each['ami']:>7.3f}   {each['reference_level']}"
        lines.append(line)
    for name, value in report["cophenetic_correlation"].items():
        if value is not None:
            lines.append(f"cophenetic correlation of the {name}: {value:.3f}")
    return "\n".join(lines)


def _pearson(products: Float64, sums: Float64, pairs: float, column: int) -> float | None:
    if pairs == 0:
        return None
    covariance = products / pairs - np.outer(sums, sums) / pairs**2
    spread = covariance[0, 0] * covariance[column, column]
    return float(covariance[0, column] / np.sqrt(spread)) if spread > 1e-20 else None
