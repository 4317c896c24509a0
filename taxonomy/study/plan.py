"""The plan of a study: images, who sees which, in which order; a file that is sealed by a hash of all of it."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import numpy as np
from msgspec import Struct

from taxonomy.datasets.shards import image_bytes
from taxonomy.errors import HiertaxError
from taxonomy.files import read_bytes, write_json
from taxonomy.hierarchy import Hierarchy, IntArray
from taxonomy.study.assignment import Mode, raters

if TYPE_CHECKING:
    pass

FORMAT: Final = "hiertax-study-plan"
VERSION: Final = 1
LEAST: Final = 3  # responses that an image needs, in the paper
OptionOrder = Literal["shuffled", "fixed"]


class PlannedImage(Struct, frozen=True, forbid_unknown_fields=True):
    """An image: its id, which tells nothing about it; where it lies in the dataset; its class; its bytes' SHA-256."""

    image_id: str
    path: str
    class_id: str
    sha256: str


class Participant(Struct, frozen=True, forbid_unknown_fields=True):
    """A person: which images (positions in the plan's), each with the order of its options, in the order shown.

    An order names the option at each place, by its position in the plan's `options`. Group and score may be unknown
    until the person has taken the familiarity test.
    """

    participant_id: str
    images: list[int]
    option_orders: list[list[int]]
    group: int | None = None
    score: float | None = None


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
    if wrong := broken_invariant(plan):
        raise HiertaxError(f"{path}: {wrong}; make the plan anew by `hiertax study plan`")
    return plan


def broken_invariant(plan: Plan) -> str | None:
    """Return which rule of a plan is broken, or None.

    Ids are unique; everybody sees equally many images, none twice; each item has an order of all options; in a
    ``balanced`` plan the numbers of raters of two images differ by 1 at most.
    """
    if not plan.participants or not plan.participants[0].images:
        return "nobody is to see an image"
    for ids in ([image.image_id for image in plan.images], [who.participant_id for who in plan.participants]):
        if len(set(ids)) < len(ids):
            return "an id of an image or of a participant is there twice"
    every, options = range(len(plan.images)), list(range(len(plan.options)))
    for who in plan.participants:
        if len(who.images) != plan.per_person or len(who.option_orders) != plan.per_person:
            return f"participant {who.participant_id!r} has not as many images, or orders of options, as the others"
        if len(set(who.images)) < len(who.images) or not all(image in every for image in who.images):
            return f"participant {who.participant_id!r} sees an image twice, or one that is not there"
        if any(sorted(order) != options for order in who.option_orders):
            return f"participant {who.participant_id!r} has an order of options that is none"
    if plan.mode == "balanced" and np.ptp(plan.raters) > 1:
        return "the numbers of raters differ by more than 1, and the plan says balanced"
    return None


def check_hierarchy(plan: Plan, hierarchy: Hierarchy) -> None:
    """Refuse a hierarchy that is not the plan's."""
    if plan.taxonomy_hash != hierarchy.content_hash:
        raise HiertaxError(
            f"hierarchy {hierarchy.name!r} ({hierarchy.content_hash[:12]}) is not the plan's, {plan.hierarchy!r} "
            f"({plan.taxonomy_hash[:12]}); give the file that the study was planned with"
        )


def check_images(plan: Plan, root: Path) -> None:
    """Refuse images that are not those of the plan, byte for byte.

    Parameters
    ----------
    root
        The dataset's, from which the plan counts its paths.

    Raises
    ------
    HiertaxError
        If images are missing or changed: the first of them, and how many.
    """
    wrong = [image for image in plan.images if image_digest(root / image.path) != image.sha256]
    if wrong:
        raise HiertaxError(
            f"{root / wrong[0].path}: not the image that was planned ({wrong[0].image_id}; it is missing or was "
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


def image_digest(path: Path) -> str | None:
    """Return the SHA-256 of an image's bytes, also of one in a shard; None where they cannot be read."""
    try:
        return hashlib.sha256(image_bytes(path)).hexdigest()
    except (OSError, ValueError, HiertaxError):
        return None
