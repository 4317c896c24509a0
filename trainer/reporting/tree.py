"""The tree with how well each taxon is told, as steps of a walk that a template writes down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from taxonomy import Hierarchy
from taxonomy.formats.html import walk
from trainer.evaluation.scores import Scores


class Told(NamedTuple):
    """How well a run tells a taxon: its number on the page, in words, and the share of right answers, 0 to 1."""

    run: int
    share: float
    right: int
    images: int
    low: float
    high: float
    mistaken_for: str
    mistaken: int


@dataclass(frozen=True)
class TreeStep:
    """A step: ``open`` a taxon, name a ``leaf``, or ``close``."""

    kind: str
    label: str = ""
    level: str = ""
    note: str = ""
    told: tuple[Told, ...] = ()


def tree_steps(hierarchy: Hierarchy, runs: Sequence[tuple[int, Scores]]) -> Iterator[TreeStep]:
    """Walk the tree with what runs, by their numbers on the page, tell of each taxon by whole paths."""
    tables = [(i, _table(scores)) for i, scores in runs]
    start = np.cumsum([0, *hierarchy.sizes])
    for kind, k, label in walk(hierarchy):
        if kind == "close":
            yield TreeStep(kind)
            continue
        level = hierarchy.levels[k]
        name = hierarchy.classes[label] if kind == "leaf" else level.labels[label]
        note = "" if name == level.labels[label] else name
        told = tuple(Told(i, *rows[start[k] + label]) for i, rows in tables)
        yield TreeStep(kind, level.labels[label], level.name, note, told)


def _table(scores: Scores) -> list[tuple[float, int, int, float, float, str, int]]:
    """Return the columns of `Told` for every taxon, level by level."""
    frame = scores.taxa("path")
    names = ("recall", "right", "images", "recall_low", "recall_high", "mistaken_for", "mistaken")
    return list(zip(*(frame[name].tolist() for name in names), strict=True))


def untested(scores: Scores) -> list[tuple[str, list[str]]]:
    """Return of each level the taxa that no image is of whose label is known."""
    frame = scores.taxa("path")
    none = frame[frame["images"] == 0]
    return [(level.name, none[none["level"] == level.name]["taxon"].tolist()) for level in scores.hierarchy.levels]
