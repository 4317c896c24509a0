"""Lineages of a dataset's classes: taxa of one name told apart, and names for what is known in part."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from taxonomy.datasets.notes import counted, few

Lineage = tuple[str, ...]


def told_apart(lineages: Sequence[Lineage]) -> tuple[list[Lineage], list[str]]:
    """Give taxa of one level that share a name but not their parents the name of their parent too.

    ``Prunella`` below Lamiaceae and below Prunellidae become ``Prunella (Lamiaceae)`` and ``Prunella (Prunellidae)``.

    Parameters
    ----------
    lineages
        One label per level each, coarsest first; blank where there is none.

    Returns
    -------
    lineages
        The same with labels that are one taxon each.
    notes
        What was told apart, if anything.
    """
    done = [list(line) for line in lineages]
    shared: list[str] = []
    for k in range(len(lineages[0]) if lineages else 0):
        taxa: dict[str, set[Lineage]] = {}
        for line in lineages:
            if line[k]:
                taxa.setdefault(line[k], set()).add(line[:k])
        twice = {label for label, above in taxa.items() if len(above) > 1}
        shared += sorted(twice)
        for line, named in zip(lineages, done, strict=True):
            if line[k] in twice and (above := next((label for label in reversed(named[:k]) if label), "")):
                named[k] = f"{line[k]} ({above})"
    if not shared:
        return list(lineages), []
    note = f"{counted(len(shared), 'name')} of several taxa told apart by their parents: {few(shared)}"
    return [tuple(line) for line in done], [note]


def name_of_taxon(level: str, label: str, taken: Collection[str]) -> str:
    """Return what a taxon is called among class names: ``family: Laridae``, a name that no class has."""
    name = f"{level}: {label}"
    while name in taken:
        name = f"({name})"
    return name


def known_depth(lineage: Lineage) -> int:
    """Return how many levels of a lineage are known: up to and with its finest label."""
    return max((k + 1 for k, label in enumerate(lineage) if label), default=0)
