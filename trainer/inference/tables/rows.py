"""What is kept of each image, and what the rows of a table are of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from taxonomy import Hierarchy

if TYPE_CHECKING:  # which imports torch
    from trainer.inference.answering.answer import Answered


class Row(msgspec.Struct, array_like=True, frozen=True):
    """What a run says about one image, or why it says nothing.

    Attributes
    ----------
    image
        Its path, or its address in a shard.
    labels
        The label index at each level that is answered, coarsest first.
    probability
        How likely each of them is.
    unknown
        Whether the image is like nothing that was learned.
    reason
        Why it could not be read; None where it was answered.
    """

    image: str
    labels: list[int]
    probability: list[float]
    unknown: bool = False
    reason: str | None = None

    @property
    def depth(self) -> int | None:
        """How many levels are answered: 0 for the root alone; None where the image could not be read."""
        return None if self.reason is not None else len(self.labels)


def rows_of(images: Sequence[str], answered: Answered) -> Iterator[Row]:
    """Yield the rows of N images, answered for."""
    columns = (answered.labels.tolist(), answered.probability.tolist(), answered.depth.tolist())
    for image, labels, probability, depth, unknown in zip(images, *columns, answered.unknown.tolist(), strict=True):
        yield Row(image, labels[:depth], probability[:depth], unknown)


@dataclass(frozen=True)
class Subject:
    """What the rows of a table are of.

    Attributes
    ----------
    hierarchy
        Whose labels they hold.
    run
        What the run is called that answered.
    base
        The folder that all images were found in, as it stands at the head of their paths; None where there is none.
    """

    hierarchy: Hierarchy
    run: str
    base: str | None = None

    def chain(self, row: Row) -> list[tuple[str, str, float]]:
        """Return the name of each level that is answered, the label and its probability, coarsest first."""
        known = zip(self.hierarchy.levels, row.labels, row.probability, strict=False)
        return [(level.name, level.labels[label], p) for level, label, p in known]
