"""Images of the page: the worst and the best answers, and those that were asked for, with maps and chains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from taxonomy import Hierarchy, HiertaxError
from taxonomy.hierarchy import IntArray
from taxonomy.metrics import Predictions
from trainer.data.images import decode
from trainer.explanation.explain import BATCH, Explainer, Mapped, MapSettings
from trainer.explanation.measures import masks_of
from trainer.inference.answers import percent
from trainer.reporting.gather import RunFacts, Scored
from trainer.reporting.pictures import MOST, looked_at, photograph

WORST, BEST = 8, 4  # images, if there is room for their maps
RIGHT: Final = {True: "right", False: "wrong", None: ""}


@dataclass(frozen=True)
class Link:
    """A level of a chain: what was answered, how sure, and whether it is right; blank where nobody knows."""

    level: str
    label: str
    share: str
    verdict: str = ""


@dataclass(frozen=True)
class LevelMap:
    """Where the head of a level looked: its own label, how sure it is, the map as a picture, its share of the image."""

    level: str
    label: str
    share: str
    picture: str
    words: str
    looked: bool


@dataclass(frozen=True)
class CaseAnswer:
    """What a run says of an image: its number on the page, its chain, and a map for each level, if there are."""

    run: int
    called: str
    chain: tuple[Link, ...]
    maps: tuple[LevelMap, ...] = ()


@dataclass(frozen=True)
class Case:
    """An image of the page: its name, its picture, its true labels as far as they are known, and what runs say."""

    name: str
    picture: str
    truth: tuple[str, ...]
    answers: tuple[CaseAnswer, ...]


@dataclass
class Maps:
    """The maps of runs, as far as their networks have any; `refused` says of which there are none, and why."""

    runs: Sequence[RunFacts]
    settings: MapSettings = field(default_factory=MapSettings)
    refused: dict[str, str] = field(default_factory=dict)

    def of(self, i: int, pixels: Tensor) -> Mapped | None:
        """Return the maps of run `i` of images uint8 ``[N, 3, S, S]``; None where it has none."""
        run = self.runs[i]
        if run.called in self.refused:
            return None
        explainer = Explainer(run.predictor, self.settings)
        try:
            parts = [explainer.map(part) for part in pixels.split(BATCH)]
        except HiertaxError as error:
            self.refused[run.called] = str(error)
            return None
        return Mapped(*map(np.concatenate, zip(*parts, strict=True)))


def room_for(depth: int, runs: int) -> int:
    """Return for how many images with maps of K levels by some runs there is room."""
    return max(1, MOST // (1 + depth * runs))


def choose_cases(hierarchy: Hierarchy, truth: IntArray, path: Predictions, room: int) -> tuple[IntArray, IntArray]:
    """Choose the worst and the best answers to N images, one of each class at most.

    Worst are those that go wrong at the coarsest level, the surest of that level first; best those that are right at
    every level, the surest of the leaf first.

    Parameters
    ----------
    truth
        int64 ``[N, K]``, -1 where unknown.
    path
        Whole paths.
    room
        How many there may be in all.

    Returns
    -------
    worst, best
        Positions, int64, each with the first to be shown first.
    """
    assert path.probability is not None  # noqa: S101 - tells mypy so
    wrong = (truth >= 0) & (truth != path.labels)
    first = np.where(wrong.any(axis=1), wrong.argmax(axis=1), hierarchy.depth)
    rows = np.arange(len(truth))
    sure = path.probability[rows, np.minimum(first, hierarchy.depth - 1)]
    order = np.lexsort((-sure, first))
    worst = order[first[order] < hierarchy.depth]
    right = rows[(truth >= 0).all(axis=1) & (first == hierarchy.depth)]
    best = right[np.argsort(-sure[right], kind="stable")]
    many = min(WORST, max(1, (2 * room) // 3))
    return _of_each_class(worst, truth)[:many], _of_each_class(best, truth)[: min(BEST, max(0, room - many))]


def _of_each_class(rows: IntArray, truth: IntArray) -> IntArray:
    """Return the first of the rows of each class, in their order."""
    _, at = np.unique(truth[rows], axis=0, return_index=True)
    return rows[np.sort(at)]


def shown_cases(runs: Sequence[RunFacts], first: int, rows: IntArray, maps: Maps) -> list[Case]:
    """Show test images, by their positions among those of run `first`, with what all runs say that saw them too."""
    own = runs[first].scored
    if own is None or not len(rows):
        return []
    names = [own.scores.images[i] for i in rows]
    given = _pixels(runs[first], own, rows)
    told = {i: _told_of(runs, i, names, rows if i == first else None, maps, given) for i in range(len(runs))}
    truth = own.scores.truth[rows]
    return [
        Case(
            name, photograph(_upright(given[at])), _labels(runs[first].hierarchy, truth[at]),
            tuple(answers[name] for answers in told.values() if name in answers),
        )
        for at, name in enumerate(names)
    ]  # fmt: skip


def _told_of(
    runs: Sequence[RunFacts], i: int, names: Sequence[str], rows: IntArray | None, maps: Maps, given: Tensor
) -> dict[str, CaseAnswer]:
    """Return what run `i` says of test images by their names; those that it has not seen are missing."""
    scored = runs[i].scored
    if scored is None:
        return {}
    if rows is None:
        places = {name: at for at, name in enumerate(scored.scores.images)}
        names = [name for name in names if name in places]
        rows = np.array([places[name] for name in names], dtype=np.int64)
        if not len(rows):
            return {}
        given = _pixels(runs[i], scored, rows)
    path, truth = scored.scores.predictions["path"], scored.scores.truth[rows]
    assert path.probability is not None  # noqa: S101 - tells mypy so
    found = maps.of(i, given)
    return {
        name: CaseAnswer(
            i, runs[i].called, _chain(runs[i].hierarchy, path.labels[row], path.probability[row], truth[at]),
            () if found is None else _level_maps(runs[i], maps.settings, given[at], found, at),
        )
        for at, (name, row) in enumerate(zip(names, rows, strict=True))
    }  # fmt: skip


def shown_images(runs: Sequence[RunFacts], images: Sequence[Path], maps: Maps) -> list[Case]:
    """Show images that were asked for; where the folder of one is named like a class, that is its truth.

    Maps are shown where there is room for those of all; of more images than there is room for the first are shown.

    Raises
    ------
    HiertaxError
        If an image cannot be decoded.
    """
    images, hierarchy = images[:MOST], runs[0].hierarchy
    with_maps = len(images) <= room_for(hierarchy.depth, len(runs))
    truth = [_truth_of(hierarchy, image) for image in images]
    answers: list[list[CaseAnswer]] = [[] for _ in images]
    pictures: list[str] = []
    for i, run in enumerate(runs):
        batches = list(run.predictor.batches(list(images)))
        if not batches:
            return []
        pixels = torch.cat([batch.pixels for batch in batches])
        pictures = pictures or [photograph(_upright(each)) for each in pixels]
        answered = [run.predictor.answer(batch) for batch in batches]
        labels, probability = (
            np.concatenate([getattr(a, name) for a in answered]) for name in ("labels", "probability")
        )
        found = maps.of(i, pixels) if with_maps else None
        for at in range(len(images)):
            shown = () if found is None else _level_maps(run, maps.settings, pixels[at], found, at)
            chain = _chain(hierarchy, labels[at], probability[at], truth[at])
            answers[at].append(CaseAnswer(i, run.called, chain, shown))
    return [
        Case(image.name, picture, _labels(hierarchy, path), tuple(told))
        for image, picture, path, told in zip(images, pictures, truth, answers, strict=True)
    ]


def _truth_of(hierarchy: Hierarchy, image: Path) -> IntArray:
    row = hierarchy.class_index.get(image.parent.name)
    return np.full(hierarchy.depth, -1) if row is None else hierarchy.paths[row]


def _pixels(run: RunFacts, scored: Scored, rows: IntArray) -> Tensor:
    """Return test images as the network sees them, uint8 ``[N, 3, S, S]``; few, so that they are decoded once more."""
    size = run.predictor.config.image_size
    return torch.from_numpy(np.stack([decode(scored.paths[i], size) for i in rows]))


def _upright(image: Tensor) -> np.typing.NDArray[np.uint8]:
    return image.permute(1, 2, 0).numpy()


def _labels(hierarchy: Hierarchy, path: IntArray) -> tuple[str, ...]:
    return tuple(level.labels[i] for level, i in zip(hierarchy.levels, path.tolist(), strict=True) if i >= 0)


def _chain(
    hierarchy: Hierarchy, labels: IntArray, probability: np.typing.NDArray[np.float64], truth: IntArray
) -> tuple[Link, ...]:
    columns = zip(hierarchy.levels, labels.tolist(), probability.tolist(), truth.tolist(), strict=True)
    return tuple(
        Link(level.name, level.labels[label], percent(share), RIGHT[label == true if true >= 0 else None])
        for level, label, share, true in columns
        if label >= 0
    )


def _level_maps(run: RunFacts, settings: MapSettings, image: Tensor, found: Mapped, at: int) -> tuple[LevelMap, ...]:

    masks, maps = masks_of(found.maps[at], settings.threshold), []
    for k, level in enumerate(run.hierarchy.levels):
        label, share = level.labels[found.classes[at, k]], percent(found.probability[at, k])
        looked = bool(masks[k].any())
        words = percent(found.areas[at, k]) if looked else "nothing speaks for it"
        maps.append(LevelMap(level.name, label, share, looked_at(_upright(image), masks[k]), words, looked))
    return tuple(maps)
