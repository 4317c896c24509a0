"""A hierarchy from what a dataset itself states of its classes: the lineages in its lists, or in columns of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from taxonomy.datasets import Dataset
from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions, from_table


def hierarchy_of(dataset: Dataset, reading: ImportOptions | None = None) -> Hierarchy:
    """Build the hierarchy of the classes of a dataset that states `Dataset.lineages`, in the dataset's order.

    Parameters
    ----------
    reading
        Names of the result; which of the dataset's levels to keep, the finest among them, or what to call all of them
        where the dataset does not (``level 1`` and so on); what to do with lineages of uneven depth.

    Raises
    ------
    HierarchyError
        If a level is asked for that is not there, or the lineages are uneven and the policy is ``error``, or are no
        tree.
    """
    reading = reading or ImportOptions()
    keep, levels = _levels(dataset, reading.levels)
    whole = [i for i in range(len(dataset.classes)) if dataset.is_class(i)]
    lineages = [tuple(dataset.lineages[i][k] for k in keep) for i in whole]
    named = replace(reading, name=reading.name or dataset.root.resolve().name or reading.fallback)
    try:
        return from_table(lineages, levels, named, [dataset.classes[i] for i in whole])
    except HierarchyError as error:
        raise HierarchyError(f"{dataset.root}: {error}") from None


def _levels(dataset: Dataset, asked: Sequence[str] | None) -> tuple[list[int], tuple[str, ...]]:
    """Return which levels of the dataset to keep, and what to call them."""
    own = [level.casefold() for level in dataset.levels]
    if asked is None:
        return list(range(len(own))), dataset.levels
    wanted = [level.casefold() for level in asked]
    if set(wanted) <= set(own):
        keep = [own.index(level) for level in wanted]
        if keep != sorted(set(keep)) or keep[-1] != len(own) - 1:
            raise HierarchyError(
                f"{dataset.root}: levels {', '.join(asked)}: give them coarsest first, once each, the finest "
                f"({dataset.levels[-1]}) among them"
            )
        return keep, tuple(dataset.levels[k] for k in keep)
    if len(wanted) == len(own) and own == [f"level {k + 1}" for k in range(len(own))]:
        return list(range(len(own))), tuple(asked)
    unknown = next(level for level in asked if level.casefold() not in own)
    raise HierarchyError(f"{dataset.root}: no level {unknown!r} here, only {', '.join(dataset.levels)}; name these")
