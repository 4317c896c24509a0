"""What a run says about images: for each a chain from the root down, as sure as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import floor
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from taxonomy import Hierarchy
from taxonomy.console import visible
from taxonomy.hierarchy import IntArray

if TYPE_CHECKING:
    from pandas import DataFrame

    from trainer.inference.answering.answer import Ranked


def percent(share: float) -> str:
    """Write a probability or a share, 0 to 1, so that only all of it reads as 100 % and only nothing as 0 %.

    It is rounded to the nearest, halves up, as the served page does too.
    """
    if 0.995 <= share < 1:
        return ">99 %"
    return "<1 %" if 0 < share < 0.005 else f"{floor(100 * share + 0.5)} %"


@dataclass(frozen=True)
class AnsweredLevel:
    """One link of the chain: a taxon of a level and how likely it is."""

    level: str
    label: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """What a run says about an image: a chain from the coarsest level as deep as the run is sure."""

    image: str
    root: str
    chain: tuple[AnsweredLevel, ...]
    unknown: bool = False
    top: tuple[tuple[AnsweredLevel, ...], ...] = ()  # of every level the likeliest, where they were asked for

    def __str__(self) -> str:
        lines = [self.image, f"  {'unknown' if self.unknown else ' > '.join([self.root, *map(_shown, self.chain)])}"]
        lines += [f"    {best[0].level}: {', '.join(map(_shown, best))}" for best in self.top]
        return "\n".join(map(visible, lines))

    def to_json(self) -> dict[str, Any]:
        """Return the answer as plain JSON values."""
        about: dict[str, Any] = {"image": self.image, "root": self.root, "chain": [asdict(link) for link in self.chain]}
        if self.unknown:
            about["unknown"] = True
        if self.top:
            about["top"] = [[asdict(one) for one in best] for best in self.top]
        return about


def _shown(link: AnsweredLevel) -> str:
    return f"{link.label} {percent(link.probability)}"


@dataclass(frozen=True, eq=False, repr=False)
class Answers(Sequence[Answer]):
    """What a run says about N images, in their order; a sequence of `Answer`.

    Attributes
    ----------
    hierarchy
        Whose K levels the labels are of.
    images
        What each image is called: its path, or ``image 7`` where it has none, counted from 0 as it was given.
    labels
        int64 ``[N, K]``: the label index at every level, -1 below the depth of the answer.
    probability
        float64 ``[N, K]``: how likely each of them is, NaN below the depth of the answer.
    left_out
        Of every image that could not be decoded and was skipped, one line that names it and the reason.
    unknown
        bool ``[N]``: which images are like nothing that was learned; None where none is.
    top
        For every level the likeliest labels, where they were asked for.
    """

    hierarchy: Hierarchy
    images: tuple[str, ...]
    labels: IntArray
    probability: NDArray[np.float64]
    left_out: tuple[str, ...] = ()
    unknown: NDArray[np.bool_] | None = None
    top: tuple[Ranked, ...] = ()

    @property
    def depth(self) -> IntArray:
        """int64 ``[N]``: how many levels are answered, K for a leaf, 0 for the root alone."""
        found: IntArray = np.count_nonzero(self.labels >= 0, axis=1)
        return found

    def __repr__(self) -> str:
        return f"<Answers of {len(self)} images, {len(self.left_out)} left out>"

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, at: int) -> Answer: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Answer]: ...
    def __getitem__(self, at: int | slice) -> Answer | Sequence[Answer]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        links = zip(self.hierarchy.levels, self.labels[at], self.probability[at], strict=True)
        chain = tuple(
            AnsweredLevel(level.name, level.labels[label], float(p)) for level, label, p in links if label >= 0
        )
        unknown = self.unknown is not None and bool(self.unknown[at])
        top = tuple(
            tuple(
                AnsweredLevel(level.name, level.labels[i], float(p))
                for i, p in zip(best.labels[at], best.probability[at], strict=True)
            )
            for level, best in zip(self.hierarchy.levels, self.top, strict=False)
        )
        return Answer(self.images[at], self.hierarchy.root, chain, unknown, top)

    def __iter__(self) -> Iterator[Answer]:
        return (self[i] for i in range(len(self)))

    def to_frame(self) -> DataFrame:
        """Return a pandas table with a row per image.

        Its columns are ``image`` and, for every level from the coarsest, ``LEVEL`` (the label) and
        ``LEVEL_probability``.
        """
        from pandas import concat

        frame: DataFrame = concat(self._columns(), axis=1)
        return frame

    def to_json(self) -> list[dict[str, Any]]:
        """Return the answers as plain JSON values, as `hiertrain predict --json` prints them."""
        return [answer.to_json() for answer in self]

    def _columns(self) -> list[Any]:
        from pandas import Series

        columns = [Series(list(self.images), name="image", dtype="str")]
        for level, labels, probability in zip(self.hierarchy.levels, self.labels.T, self.probability.T, strict=True):
            names = np.array([*level.labels, None], dtype=object)[labels]  # -1 is none
            columns.append(Series(names, name=level.name, dtype="str"))
            columns.append(Series(probability, name=f"{level.name}_probability"))
        return columns
