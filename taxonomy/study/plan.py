"""The plan of a study: images, who sees which, in which order; a file that is sealed by a hash of all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import numpy as np
from msgspec import Struct

from taxonomy.datasets import Dataset, label_by
from taxonomy.datasets.shards import image_bytes
from taxonomy.errors import HiertaxError
from taxonomy.files import read_bytes, write_json
from taxonomy.hierarchy import Hierarchy, IntArray
from taxonomy.study.assignment import Mode, assign, draw_images, option_orders, raters
from taxonomy.study.published import NONE
from taxonomy.study.sampling import PSEUDONYM

if TYPE_CHECKING:
    from pandas import DataFrame

    from taxonomy.progress import Progress

FORMAT: Final = "hiertax-study-plan"
VERSION: Final = 1
LEAST: Final = 3  # responses that an image needs, in the paper
USUAL_STIMULI: Final = 1000
OptionOrder = Literal["shuffled", "fixed"]


class PlannedImage(Struct, frozen=True):
    """An image: its id, which tells nothing about it; where it lies in the dataset; its class; its bytes' SHA-256."""

    image_id: str
    path: str
    class_id: str
    sha256: str


class Participant(Struct, frozen=True):
    """A person: which images (positions in the plan's), each with the order of its options, in the order shown.

    An order names the option at each place, by its position in the plan's `options`. Group and score may be unknown
    until the person has taken the familiarity test.
    """

    participant_id: str
    images: list[int]
    option_orders: list[list[int]]
    group: int | None = None
    score: float | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """A study's plan, as in its file.

    Attributes
    ----------
    study_id
        Its name and the beginning of its seal, so that responses belong to this very plan.
    hierarchy, taxonomy_hash
        The name and the content's hash of the hierarchy that the labels are of.
    options
        What may be answered at stage 1: the levels, coarsest first, and ``none``.
    least
        How many responses an image needs to be kept.
    seal
        SHA-256 of all the rest.
    """

    format: str
    version: int
    study_id: str
    hierarchy: str
    taxonomy_hash: str
    options: list[str]
    mode: Mode
    option_order: OptionOrder
    stratified_by: str
    seed: int
    least: int
    images: list[PlannedImage]
    participants: list[Participant]
    notes: list[str]
    seal: str

    @property
    def per_person(self) -> int:
        """How many images each participant sees."""
        return len(self.participants[0].images)

    @property
    def assigned(self) -> IntArray:
        """int64 ``[participants, per_person]``: positions of images, in the order shown."""
        return np.array([person.images for person in self.participants], dtype=np.int64)

    @property
    def raters(self) -> IntArray:
        """int64 ``[images]``: how many people see each image."""
        return raters(self.assigned, len(self.images))

    def digest(self) -> str:
        """Return the SHA-256 of everything but `study_id` and `seal`, which follow from it."""
        content = msgspec.to_builtins(msgspec.structs.replace(self, study_id="", seal=""))
        return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()

    def save(self, path: Path) -> None:
        """Write the plan's file, atomically; the same plan gives the same bytes."""
        write_json(path, self)


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
    level = _level(hierarchy, design.stratify)
    options = _options(hierarchy)
    labelled = label_by(dataset, hierarchy)
    known = np.flatnonzero(labelled.labels < len(hierarchy.classes))
    notes = list(labelled.notes)
    if lost := len(labelled) - len(known):
        notes.append(f"{lost} images are known to a level above the finest only, and are left out")
    if not len(known):
        raise HiertaxError(f"{dataset.root}: no image is of a class of the hierarchy; check `hierarchy`")
    rng = np.random.default_rng(design.seed)
    stimuli = min(USUAL_STIMULI, len(known)) if design.stimuli is None else design.stimuli
    codes = labelled.labels[known]
    drawn = draw_images(hierarchy.paths[codes], stimuli, rng)
    strata = np.unique(hierarchy.paths[codes[drawn], level], return_inverse=True)[1]
    notes += _without_images(hierarchy, level, codes, codes[drawn])
    dealt = assign(strata, design.participants, design.per_person, design.mode, rng)
    if (raters(dealt, stimuli) < design.least).all():
        raise HiertaxError(
            f"no image would be seen by {design.least} people: {design.participants} people x {design.per_person} "
            f"images for {stimuli} images; ask for fewer `stimuli` or more `participants`"
        )
    shuffled = design.option_order == "shuffled"
    orders = option_orders((design.participants, design.per_person), len(options), shuffled=shuffled, rng=rng)
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
            notes=notes,
            seal="",
        ),
        design.name,
    )


def load_plan(path: Path) -> Plan:
    """Read a plan and check its seal.

    Raises
    ------
    HiertaxError
        If it is no plan, of another version, or was changed after it was sealed.
    """
    content = read_bytes(path)
    try:
        plan = msgspec.json.decode(content, type=Plan)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HiertaxError(f"{path}: no plan of a study: {error}; make one by `hiertax study plan`") from None
    if plan.format != FORMAT or plan.version != VERSION:
        raise HiertaxError(
            f"{path}: {plan.format!r} of version {plan.version}, not {FORMAT!r} of version {VERSION}; "
            "make one by `hiertax study plan`"
        )
    digest = plan.digest()
    if plan.seal != digest or not plan.study_id.endswith(f"-{digest[:12]}"):
        raise HiertaxError(
            f"{path}: the seal is broken: the plan was changed after it was made (sealed {plan.seal[:12]}, "
            f"now {digest[:12]}); take the file as it was made"
        )
    return plan


def check_hierarchy(plan: Plan, hierarchy: Hierarchy) -> None:
    """Refuse a hierarchy that is not the plan's."""
    if plan.taxonomy_hash != hierarchy.content_hash:
        raise HiertaxError(
            f"hierarchy {hierarchy.name!r} ({hierarchy.content_hash[:12]}) is not the plan's, {plan.hierarchy!r} "
            f"({plan.taxonomy_hash[:12]}); give the file that the study was planned with"
        )


def check_images(plan: Plan, root: Path) -> None:
    """Refuse images that are not those of the plan, byte for byte.

    Raises
    ------
    HiertaxError
        If images are missing or changed: the first of them, and how many.
    """
    folder = root if root.is_dir() else root.parent
    wrong = [image for image in plan.images if _digest_or_none(folder / image.path) != image.sha256]
    if wrong:
        raise HiertaxError(
            f"{folder / wrong[0].path}: not the image that was planned ({wrong[0].image_id}; it is missing or was "
            f"changed); {len(wrong)} such in all; put back the images as they were"
        )


class Lookup:
    """Finds a plan's images and items by what responses call them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @cached_property
    def images(self) -> dict[str, int]:
        """The position of each image in the plan, by its id."""
        return {image.image_id: i for i, image in enumerate(self.plan.images)}

    @cached_property
    def people(self) -> dict[str, Participant]:
        """The participants, by their id."""
        return {person.participant_id: person for person in self.plan.participants}

    @cached_property
    def places(self) -> dict[str, dict[int, int]]:
        """For each participant the place, from 0, at which each image (by position in the plan) is shown."""
        return {name: {image: at for at, image in enumerate(who.images)} for name, who in self.people.items()}


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


def _images(
    dataset: Dataset, hierarchy: Hierarchy, rows: IntArray, progress: Progress | None
) -> list[PlannedImage]:
    paths, labels = dataset.table["path"].to_numpy()[rows], dataset.labels[rows]
    width = len(str(len(rows)))
    images = []
    for i, (path, label) in enumerate(zip(paths, labels, strict=True), start=1):
        digest = _digest_or_none(dataset.root / path)
        if digest is None:
            raise HiertaxError(f"{dataset.root / path}: cannot be read; mend it, or take it out of the dataset")
        images.append(PlannedImage(f"img{i:0{width}}", str(path), hierarchy.classes[label], digest))
        if progress:
            progress("reading images", i, len(rows))
    return images


def _digest_or_none(path: Path) -> str | None:
    try:
        return hashlib.sha256(image_bytes(path)).hexdigest()
    except (OSError, ValueError, HiertaxError):
        return None


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
    return [f"{len(lost)} taxa of level {hierarchy.levels[level].name} have no image in the study: {names}"]
