"""A plan made: images drawn from a dataset, dealt to people, and sealed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from taxonomy.datasets import Dataset, label_by
from taxonomy.datasets.notes import counted
from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import Hierarchy, IntArray
from taxonomy.study.assignment import Mode, assign, draw_images, option_orders, raters
from taxonomy.study.plan import FORMAT, LEAST, VERSION, OptionOrder, Participant, Plan, PlannedImage, image_digest
from taxonomy.study.published import NONE
from taxonomy.study.sampling import PSEUDONYM

if TYPE_CHECKING:
    from pandas import DataFrame

    from taxonomy.progress import Progress

USUAL_STIMULI: Final = 1000


@dataclass(frozen=True)
class Design:
    """What to plan: how many people, images each, images in all; how they are dealt; and the seed of every draw.

    Attributes
    ----------
    stimuli
        How many images to draw; 1,000 where None, or all where there are fewer.
    stratify
        The level whose taxa are spread over each person's images; the one above the finest where None.
    """

    participants: int = 50
    per_person: int = 100
    mode: Mode = "balanced"
    stimuli: int | None = None
    stratify: str | None = None
    option_order: OptionOrder = "shuffled"
    least: int = LEAST
    seed: int = 0
    name: str = "study"


def make_plan(
    dataset: Dataset,
    hierarchy: Hierarchy,
    design: Design,
    people: DataFrame | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Draw the images of a study, deal them to its participants, and seal the plan.

    Parameters
    ----------
    people
        The participants: ``participant_id``, ``score`` and ``group``, as `sampling.sample` gives them; else they are
        called p01, p02, ... and have no group yet.

    Raises
    ------
    HiertaxError
        If classes do not fit the hierarchy, there are too few images, nobody's answers would be kept, or an image
        cannot be read.
    """
    level, options = _level(hierarchy, design.stratify), _options(hierarchy)
    labelled, known = _of_known_class(dataset, hierarchy)
    codes = labelled.labels[known]
    rng = np.random.default_rng(design.seed)
    stimuli = min(USUAL_STIMULI, len(known)) if design.stimuli is None else design.stimuli
    drawn = draw_images(hierarchy.paths[codes], stimuli, rng)
    dealt = _deal(np.unique(hierarchy.paths[codes[drawn], level], return_inverse=True)[1], design, rng)
    orders = option_orders(dealt.shape, len(options), shuffled=design.option_order == "shuffled", rng=rng)
    return _seal(
        Plan(
            format=FORMAT,
            version=VERSION,
            study_id=design.name,
            hierarchy=hierarchy.name,
            taxonomy_hash=hierarchy.content_hash,
            options=options,
            mode=design.mode,
            option_order=design.option_order,
            stratified_by=hierarchy.levels[level].name,
            seed=design.seed,
            least=design.least,
            images=_images(labelled, hierarchy, known[drawn], progress),
            participants=_participants(dealt, orders, people),
            notes=[*labelled.notes, *_without_images(hierarchy, level, codes, codes[drawn])],
            seal="",
        ),
        design.name,
    )


def _of_known_class(dataset: Dataset, hierarchy: Hierarchy) -> tuple[Dataset, IntArray]:
    """Return the dataset labelled by the hierarchy, and the positions of the images whose class is known."""
    labelled = label_by(dataset, hierarchy)
    known = np.flatnonzero(labelled.labels < len(hierarchy.classes))
    if not len(known):
        raise HiertaxError(f"{dataset.root}: no image is of a class of the hierarchy; check `hierarchy`")
    if lost := len(labelled) - len(known):
        labelled = labelled.noting(f"{lost} images are known to a level above the finest only, and are left out")
    return labelled, known


def _deal(strata: IntArray, design: Design, rng: np.random.Generator) -> IntArray:
    """Deal the images, and refuse a design of which nothing would be kept."""
    dealt = assign(strata, design.participants, design.per_person, design.mode, rng)
    if (raters(dealt, len(strata)) < design.least).all():
        raise HiertaxError(
            f"no image would be seen by {design.least} people: {design.participants} people x {design.per_person} "
            f"images for {len(strata)} images; ask for fewer `stimuli` or more `participants`"
        )
    return dealt


def _seal(plan: Plan, name: str) -> Plan:
    if not PSEUDONYM.fullmatch(name):
        raise HiertaxError(f"`name` {name!r}: use up to 64 letters, digits, - and _")
    digest = plan.digest()
    return msgspec.structs.replace(plan, seal=digest, study_id=f"{name}-{digest[:12]}")


def _level(hierarchy: Hierarchy, name: str | None) -> int:
    names = [level.name for level in hierarchy.levels]
    if name is None:
        return max(0, len(names) - 2)
    if name not in names:
        raise HiertaxError(f"`stratify` {name!r} is no level of the hierarchy; choose of {', '.join(names)}")
    return names.index(name)


def _options(hierarchy: Hierarchy) -> list[str]:
    names = [level.name for level in hierarchy.levels]
    if NONE in names:
        raise HiertaxError(f"a level is called {NONE!r}, as the answer that no label fits; rename the level")
    return [*names, NONE]


def _images(dataset: Dataset, hierarchy: Hierarchy, rows: IntArray, progress: Progress | None) -> list[PlannedImage]:
    paths, labels = dataset.table["path"].to_numpy()[rows], dataset.labels[rows]
    width = len(str(len(rows)))
    images = []
    for i, (path, label) in enumerate(zip(paths, labels, strict=True), start=1):
        digest = image_digest(dataset.root / path)
        if digest is None:
            raise HiertaxError(f"{dataset.root / path}: cannot be read; mend it, or take it out of the dataset")
        images.append(PlannedImage(f"img{i:0{width}}", str(path), hierarchy.classes[label], digest))
        if progress:
            progress("reading images", i, len(rows))
    return images


def _participants(dealt: IntArray, orders: IntArray, people: DataFrame | None) -> list[Participant]:
    width = max(2, len(str(len(dealt))))
    names: Sequence[str] = [f"p{i:0{width}}" for i in range(1, len(dealt) + 1)]
    about: Sequence[tuple[int | None, float | None]] = [(None, None)] * len(dealt)
    if people is not None:
        if len(people) != len(dealt):
            raise HiertaxError(
                f"{len(people)} people are given and `participants` is {len(dealt)}; leave `participants` out"
            )
        names = people["participant_id"].tolist()
        about = [(int(g), float(s)) for g, s in zip(people["group"], people["score"], strict=True)]
    return [
        Participant(name, images, order, *who)
        for name, images, order, who in zip(names, dealt.tolist(), orders.tolist(), about, strict=True)
    ]


def _without_images(hierarchy: Hierarchy, level: int, before: IntArray, drawn: IntArray) -> list[str]:
    column = hierarchy.paths[:, level]
    lost = np.setdiff1d(column[before], column[drawn])
    if not len(lost):
        return []
    names = ", ".join(hierarchy.levels[level].labels[i] for i in lost[:5])
    taxa = f"{counted(len(lost), 'taxon', 'taxa')} of level {hierarchy.levels[level].name}"
    return [f"{taxa} without an image in the study: {names}"]
