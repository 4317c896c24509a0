"""What the store of a study takes and gives: clicks, participants, and the two ways in which it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from taxonomy.errors import HiertaxError

Kind = Literal["consent", "test", "stage1", "stage2"]
State = Literal["open", "withdrawn"]


class NotStoredError(HiertaxError):
    """What was clicked could not be written: it does not count, and may be clicked again."""


class BrokenSealError(HiertaxError):
    """The database was edited."""


@dataclass(frozen=True)
class Click:
    """One answer.

    Attributes
    ----------
    kind, position
        What was asked: ``consent`` (position 0), a question of the ``test`` or a stage of an image, from 1.
    value
        What was answered.
    ms, measured
        How long it took in milliseconds, by the ``page`` or by the ``server``; None where not known.
    """

    kind: Kind
    position: int
    value: str
    ms: float | None = None
    measured: Literal["page", "server"] | None = None


@dataclass(frozen=True)
class Kept:
    """A click as it is kept: the how-manieth of its person, and when by the clock (which somebody may set back)."""

    number: int
    click: Click
    at: str


@dataclass(frozen=True)
class Person:
    """A participant: whether the link was made, and whether they withdrew."""

    participant_id: str
    has_link: bool
    state: State
