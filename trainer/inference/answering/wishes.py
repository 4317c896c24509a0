"""How people wish a run to answer, checked without torch, which takes seconds to import."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from taxonomy import HiertaxError

if TYPE_CHECKING:
    from trainer.inference.decoding import Rule

Names = str | Sequence[str]
Depth = Literal["path", "threshold", "majority", "darts"]


@dataclass(frozen=True)
class Wishes:
    """How answers are wished for; by default down to the leaf, of anything in the tree.

    Attributes
    ----------
    decode
        Where labels come from, one of `trainer.inference.decoding.RULES`; None for the best path.
    confidence
        How sure to be of an answer, from 0 to 1; where it is not reached the answer is less deep.
    rule
        How deep to answer: ``path``, ``threshold``, ``majority`` or ``darts``; see `Answering`.
    target_accuracy
        The share of answers to be right, from which `confidence` is found on the validation images.
    within, without
        Taxa of one of which, or of none of which, everything is.
    classes
        Classes or taxa that there are; a file of them, one a line, or their names.
    prior
        How common each class is; a CSV file of names and counts, or counts by name.
    unknown
        The share of images of the tree that may be called unknown, from 0 to 1, so that others are.
    audience
        For whom answers are, which says how deep: ``amateur``, ``expert``, or a file of ``hiertax study profile``.
    """

    decode: Rule | None = None
    confidence: float | None = None
    rule: Depth = "path"
    target_accuracy: float | None = None
    within: Names = ()
    without: Names = ()
    classes: Path | str | Collection[str] | None = None
    prior: Path | str | Mapping[str, float] | None = None
    unknown: float | None = None
    audience: Path | str | None = None

    def __post_init__(self) -> None:
        """Refuse wishes that exclude each other, before anything is loaded.

        Raises
        ------
        HiertaxError
            The settings, and what to do.
        """
        if self.audience is not None:
            given = {"confidence": self.confidence, "target_accuracy": self.target_accuracy}
            others = [name for name, value in given.items() if value is not None]
            if others or self.rule != "path":
                other = f"`{others[0]}`" if others else f"`rule` {self.rule}"
                raise HiertaxError(f"`audience`: chooses how deep to answer, as {other} does; leave one out")
        if self.target_accuracy is not None:
            check_target(self.target_accuracy)
            if self.confidence is not None or self.rule == "majority":
                other = "`rule` majority" if self.confidence is None else "`confidence`"
                raise HiertaxError(f"`target_accuracy`: chooses how deep to answer, as {other} does; leave one out")
        elif self.rule == "darts":
            raise HiertaxError("`rule` darts: trades accuracy for information; give `target_accuracy`")
        check_share("confidence", self.confidence)
        check_share("unknown", self.unknown)

    @property
    def is_cautious(self) -> bool:
        """Whether answers may stop above the leaf, so that it matters how sure they are."""
        return self.confidence is not None or self.rule != "path" or self.audience is not None


def check_choice(name: str, given: str, known: Sequence[str]) -> None:
    """Refuse what is none of the choices of a setting.

    Raises
    ------
    HiertaxError
        If there is no such choice: those there are.
    """
    if given not in known:
        raise HiertaxError(f"`{name}` {given}: there is none; choose from {', '.join(known)}")


def check_share(name: str, share: float | None) -> None:
    """Refuse what is given as a share and is none.

    Raises
    ------
    HiertaxError
        If it is below 0 or above 1.
    """
    if share is not None and not 0 <= share <= 1:
        raise HiertaxError(f"`{name}` {share:g}: give a number from 0 to 1")


def check_target(target: float) -> None:
    """Refuse what is no share of answers to be right.

    Raises
    ------
    HiertaxError
        If it is not above 0 and below 1.
    """
    if not 0 < target < 1:
        raise HiertaxError(f"`target_accuracy` {target:g}: give a number above 0 and below 1")


def make_wishes(wishes: Mapping[str, Any]) -> Wishes:
    """Return the wishes of some settings by name, the others at their defaults.

    Raises
    ------
    HiertaxError
        If there is no such setting, or `Wishes` refuses one.
    """
    from taxonomy.datasets.notes import nearest  # imports numpy, which help texts need not wait for

    known = [field.name for field in fields(Wishes)]
    for name in wishes:
        if name not in known:
            raise HiertaxError(
                f"{name}: no such setting of answers{nearest(name, known)}; there are {', '.join(known)}"
            )
    return Wishes(**wishes)
