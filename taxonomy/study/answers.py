"""Responses as arrays, the images with too few left out, and the shares that they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import Hierarchy, IntArray
from taxonomy.study.published import NONE
from taxonomy.study.responses import Response

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Answers:
    """R responses of P people to I images.

    Attributes
    ----------
    options
        The K levels, coarsest first, and ``none``.
    person, image
        int64 ``[R]``: whose, and to which image, as indices from 0.
    group
        int64 ``[R]``: the person's group, 1 to 5; 0 where unknown.
    choice
        int64 ``[R]``: the option chosen at stage 1, K for ``none``.
    multi
        int64 ``[R]``: 1 where more than one label was wanted, 0 where not, -1 where it was not asked (after ``none``).
    leaf
        int64 ``[R]``: the image's class in the hierarchy.
    times
        float64 ``[R, 2]``: response times of both stages in milliseconds, NaN where not measured.
    scores
        float64 ``[P]``: familiarity, NaN where unknown.
    """

    options: tuple[str, ...]
    person: IntArray
    image: IntArray
    group: IntArray
    choice: IntArray
    multi: IntArray
    leaf: IntArray
    times: FloatArray
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.person)

    @property
    def raters(self) -> IntArray:
        """int64 ``[I]``: how many responses each image has."""
        return np.bincount(self.image)

    @property
    def cells(self) -> IntArray:
        """int64 ``[R, 2K + 1]``: 1 where an option was chosen; from column K + 1, where it was and more is wanted."""
        depth = len(self.options) - 1
        chosen = self.choice[:, None] == np.arange(depth + 1)
        wanted = chosen[:, :depth] & (self.multi == 1)[:, None]
        return np.concatenate([chosen, wanted], axis=1).astype(np.int64)

    def take(self, rows: NDArray[np.bool_]) -> Answers:
        """Return some of the responses, with people and images numbered anew."""
        people, person = np.unique(self.person[rows], return_inverse=True)
        return replace(
            self,
            person=person,
            image=np.unique(self.image[rows], return_inverse=True)[1],
            group=self.group[rows],
            choice=self.choice[rows],
            multi=self.multi[rows],
            leaf=self.leaf[rows],
            times=self.times[rows],
            scores=self.scores[people],
        )


@dataclass(frozen=True)
class Exclusion:
    """What was left out: images with fewer than `least` responses, before any share was taken; ``none`` counts."""

    least: int
    images_before: int
    images_after: int
    responses_before: int
    responses_after: int
    people_before: int
    people_after: int


def to_answers(rows: Sequence[Response], hierarchy: Hierarchy) -> Answers:
    """Return checked responses as arrays."""
    options = (*(level.name for level in hierarchy.levels), NONE)
    code = {option: i for i, option in enumerate(options)}
    people, person = np.unique([row.participant_id for row in rows], return_inverse=True)
    scores = {row.participant_id: np.nan if row.score is None else row.score for row in rows}
    times = [[np.nan if t is None else t for t in (row.rt1_ms, row.rt2_ms)] for row in rows]
    return Answers(
        options=options,
        person=person,
        image=np.unique([row.image_id for row in rows], return_inverse=True)[1],
        group=np.array([row.group or 0 for row in rows], dtype=np.int64),
        choice=np.array([code[row.stage1] for row in rows], dtype=np.int64),
        multi=np.array([-1 if row.stage2 is None else row.stage2 == "yes" for row in rows], dtype=np.int64),
        leaf=np.array([hierarchy.class_index[row.class_id] for row in rows], dtype=np.int64),
        times=np.array(times, dtype=np.float64),
        scores=np.array([scores[name] for name in people.tolist()], dtype=np.float64),
    )


def exclude(answers: Answers, least: int, unseen: int = 0) -> tuple[Answers, Exclusion]:
    """Leave out the images with fewer than `least` responses.

    Parameters
    ----------
    unseen
        How many images of the study have no response at all; they count as left out.

    Raises
    ------
    HiertaxError
        If no image is left.
    """
    raters = answers.raters
    kept = raters[answers.image] >= least
    if not kept.any():
        raise HiertaxError(f"no image has {least} responses or more (the most is {raters.max()}); collect more")
    after = answers.take(kept)
    return after, Exclusion(
        least,
        len(raters) + unseen,
        len(after.raters),
        len(answers),
        len(after),
        len(answers.scores),
        len(after.scores),
    )


def totals(answers: Answers) -> IntArray:
    """Return each person's counts, int64 ``[P, 2K + 1]``; columns as of `Answers.cells`."""
    return _tallied(answers.person, answers.cells, len(answers.scores))


def image_totals(answers: Answers) -> IntArray:
    """Return each image's counts, int64 ``[I, 2K + 1]``; columns as of `Answers.cells`."""
    return _tallied(answers.image, answers.cells, len(answers.raters))


def _tallied(rows: IntArray, cells: IntArray, count: int) -> IntArray:
    counts = np.zeros((count, cells.shape[1]), dtype=np.int64)
    np.add.at(counts, rows, cells)
    return counts


def givers(counts: IntArray) -> IntArray:
    """Return how many rows of counts ``[N, 2K + 1]`` each share of `shares` rests on, int64 ``[2K + 2]``."""
    found: IntArray = np.count_nonzero(denominators(counts), axis=0)
    return found


def denominators(counts: NDArray[np.generic]) -> FloatArray:
    """Return what each share of `shares` is of, float64 ``[..., 2K + 2]``."""
    chosen, _ = _parts(counts)
    every = chosen.sum(axis=-1, keepdims=True)
    asked = chosen[..., :-1]
    return np.concatenate([np.broadcast_to(every, chosen.shape), asked, asked.sum(axis=-1, keepdims=True)], axis=-1)


def numerators(counts: NDArray[np.generic]) -> FloatArray:
    """Return how many responses each share of `shares` counts, float64 ``[..., 2K + 2]``."""
    chosen, wanted = _parts(counts)
    return np.concatenate([chosen, wanted, wanted.sum(axis=-1, keepdims=True)], axis=-1)


def shares(counts: NDArray[np.generic]) -> FloatArray:
    """Return shares from counts ``[..., 2K + 1]``.

    Returns
    -------
    float64 ``[..., 2K + 2]``: of each option among all responses (K + 1), of "multi" among those who chose each level
    (K), and of "multi" among all who were asked (1); NaN where nobody was.
    """
    of = denominators(counts)
    found: FloatArray = np.divide(numerators(counts), of, out=np.full(of.shape, np.nan), where=of > 0)
    return found


def _parts(counts: NDArray[np.generic]) -> tuple[FloatArray, FloatArray]:
    values = np.asarray(counts, dtype=np.float64)
    depth = (values.shape[-1] - 1) // 2
    return values[..., : depth + 1], values[..., depth + 1 :]
