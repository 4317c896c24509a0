"""What is known to be wrong with datasets and published hierarchies (``taxonomy/data/errata.csv``)."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from taxonomy.hierarchy import Hierarchy

KINDS: Final = {
    "mixture": "pictures of more than one species in one class",
    "group": "a class that names a genus or a group of species",
    "split": "a class whose species was split after the dataset was made",
    "misspelt": "a class name that is misspelt or cut short",
    "renamed": "a class under a name that is no longer, or not everywhere, in use",
    "count": "a number that is often quoted wrongly",
    "label-order": "labels that go wrong when they are joined by position",
    "judged": "a coarse label that the name does not settle",
    "published-slip": "a slip in a published hierarchy of the dataset",
    "authority": "a placement on which authorities differ",
    "distinct": "two names that look like one slip of the pen, but are two taxa",
}


class Erratum(NamedTuple):
    """One row: the dataset, the classes or taxa concerned (none: all), the kind, the fact, cure and source."""

    dataset: str
    subjects: tuple[str, ...]
    kind: str
    text: str
    cure: str
    source: str


@cache
def all_errata() -> tuple[Erratum, ...]:
    """Return every row of the table."""
    text = (files("taxonomy") / "data" / "errata.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return tuple(
        Erratum(
            row["dataset"], tuple(s for s in row["subjects"].split("|") if s),
            row["kind"], row["text"], row["cure"], row["source"],
        )
        for row in rows
    )  # fmt: skip


def known_of(hierarchy: Hierarchy) -> list[Erratum]:
    """Return what is known about a hierarchy's dataset, as far as it concerns its classes, taxa, or all."""
    names = {*hierarchy.classes, *(label for level in hierarchy.levels[:-1] for label in level.labels)}
    return known(hierarchy.dataset, names) if hierarchy.dataset else []


def in_words(errata: list[Erratum]) -> Iterator[str]:
    """Yield a heading for each kind of erratum and a line for each erratum, nothing if there is none."""
    for kind, what in KINDS.items():
        rows = [e for e in errata if e.kind == kind and kind != "distinct"]
        if rows:
            yield f"\nKnown: {what}"
            yield from (f"  {e.subjects[0] + ': ' if len(e.subjects) == 1 else ''}{e.text}" for e in rows)


def known(dataset: str, names: Collection[str]) -> list[Erratum]:
    """Return what is known about a dataset, as far as it concerns some of `names` (classes or taxa) or all."""
    return [e for e in all_errata() if e.dataset == dataset and (not e.subjects or any(s in names for s in e.subjects))]
