"""Names that are no taxon, or stand on a level that is not theirs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache

from msgspec import UNSET

from taxonomy.document import Document, Place, lineage, shown
from taxonomy.ranks import PLACEHOLDERS, rank_of
from taxonomy.rules import Finding
from taxonomy.spelled import Names

SPELLINGS = PLACEHOLDERS | {word.replace(" ", "_") for word in PLACEHOLDERS}
Spot = tuple[int, int]  # level, label


def misplaced(document: Document, labels: Sequence[Names], place: Place, *, apart: bool) -> Iterator[Finding]:
    """Yield placeholders, taxa that are known to be of another rank, and names on two levels in different branches.

    Parameters
    ----------
    labels
        The labels of each level.
    apart
        Whether no name stands on two levels.
    """
    yield from _placeholders(document, labels, place)
    ranks = [rank_of(level.name) for level in document.levels]
    wrong: set[str] = set()
    if any(rank in ("order", "family") for rank in ranks):
        known = reviewed_ranks()
        for i, rank in enumerate(ranks):
            found = labels[i].find(known) if rank else []
            for name, j in {labels[i].fold(j): j for j in reversed(found)}.items():  # the first label of each name
                if known[name] != rank:
                    wrong.add(name)
                    message = f"{rank} {shown(document.levels[i].labels[j])} is known as {_article(known[name])}"
                    yield Finding("wrong-rank", place(i, "labels", j), message, (lineage(document, i, j),))
    for name, one, two in () if apart else _on_two_levels(document, [names.folded for names in labels]):
        if name not in wrong:
            first, second = (document.levels[i] for i, _ in (one, two))
            message = f"{shown(second.labels[two[1]])} is a {second.name}, and a {first.name} in another branch"
            yield Finding("name-on-two-levels", place(two[0], "labels", two[1]), message,
                          (lineage(document, *one), lineage(document, *two)))  # fmt: skip


def _placeholders(document: Document, labels: Sequence[Names], place: Place) -> Iterator[Finding]:
    """Yield placeholders; but a class of the dataset may be called ``unknown``, and then its label is."""
    last = len(document.levels) - 1
    classes = document.levels[last].classes
    for i, names in enumerate(labels):
        for j in names.find(SPELLINGS):
            label = names.given[j]
            if i < last or (classes is not UNSET and classes[j : j + 1] != [label]):
                message = f"{document.levels[i].name} {shown(label)} is no name but a gap"
                yield Finding("placeholder-name", place(i, "labels", j), message, (lineage(document, i, j),))


@cache
def reviewed_ranks() -> dict[str, str]:
    """Return the rank of each order and family of the reviewed tables, by its name in one case."""
    from taxonomy.sources.curated import TABLES, build

    ranks: dict[str, str] = {}
    for dataset, table in TABLES.items():
        if table.published is None and table.levels[0] == "order":
            levels = build(dataset).levels
            ranks |= {label.casefold(): level.name for level in levels[:-1] for label in level.labels}
    return ranks


def _article(rank: str) -> str:
    return f"an {rank}" if rank[0] in "aeiou" else f"a {rank}"


def _on_two_levels(document: Document, folded: Sequence[Sequence[str]]) -> Iterator[tuple[str, Spot, Spot]]:
    """Yield names that two levels have, where neither taxon is above the other; the first such pair of each name."""
    sets = [set(keys) for keys in folded]
    spots: dict[str, list[Spot]] = defaultdict(list)
    seen: set[str] = set()
    shared: set[str] = set()
    for names in sets:
        shared |= seen & names
        seen |= names
    for i, keys in enumerate(folded):
        for j, key in enumerate(keys):
            if key in shared:
                spots[key].append((i, j))
    for name, found in spots.items():
        apart = (
            (one, two) for k, two in enumerate(found) for one in found[:k]
            if one[0] < two[0] and not _is_above(document, one, two)
        )  # fmt: skip
        if (pair := next(apart, None)) is not None:
            yield name, *pair


def _is_above(document: Document, high: Spot, low: Spot) -> bool:
    """Tell whether a label is above another; also where that cannot be told, since the tree is broken."""
    level, label = low
    while level > high[0]:
        parents = document.levels[level].parents
        if parents is UNSET or label >= len(parents) or parents[label] < 0:
            return True
        level, label = level - 1, parents[label]
    return label == high[1]
