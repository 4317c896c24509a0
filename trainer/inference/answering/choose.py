"""How a run is to answer, from settings as people give them: checked, looked up by name, and put together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from taxonomy import Hierarchy, HiertaxError
from taxonomy.datasets.notes import counted
from trainer.inference.answering.answer import Answering, Depth
from trainer.inference.answering.operating import Selective, at_accuracy
from trainer.inference.answering.restriction import prior_of, read_counts, read_names, restriction_of
from trainer.inference.answering.unknown import SCORES, threshold_of
from trainer.inference.decoding import DEFAULT, Rule
from trainer.runs.calibration import Calibration, is_calibrated

Names = str | Sequence[str]


@dataclass(frozen=True)
class Wishes:
    """How answers are wished for; by default down to the leaf, of anything in the tree.

    Attributes
    ----------
    decode
        Where labels come from, one of `trainer.inference.decoding.RULES`.
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
    """

    decode: Rule = DEFAULT
    confidence: float | None = None
    rule: Depth = "path"
    target_accuracy: float | None = None
    within: Names = ()
    without: Names = ()
    classes: Path | str | Collection[str] | None = None
    prior: Path | str | Mapping[str, float] | None = None
    unknown: float | None = None

    def __post_init__(self) -> None:
        """Refuse wishes that exclude each other, before anything is loaded.

        Raises
        ------
        HiertaxError
            The settings, and what to do.
        """
        if self.target_accuracy is not None:
            if not 0 < self.target_accuracy < 1:
                raise HiertaxError(f"`target_accuracy` {self.target_accuracy:g}: give a number above 0 and below 1")
            if self.confidence is not None or self.rule == "majority":
                other = "`rule` majority" if self.confidence is None else "`confidence`"
                raise HiertaxError(f"`target_accuracy`: chooses how deep to answer, as {other} does; leave one out")
        elif self.rule == "darts":
            raise HiertaxError("`rule` darts: trades accuracy for information; give `target_accuracy`")
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise HiertaxError(f"`confidence` {self.confidence:g}: give a number from 0 to 1")
        if self.unknown is not None and not 0 <= self.unknown <= 1:
            raise HiertaxError(f"`unknown` {self.unknown:g}: give a number from 0 to 1")

    @property
    def is_cautious(self) -> bool:
        """Whether answers may stop above the leaf, so that it matters how sure they are."""
        return self.confidence is not None or self.rule != "path"


@dataclass(frozen=True)
class Chosen:
    """How a run is to answer, what there is to say about it, and what was measured on its validation images."""

    answering: Answering
    notes: tuple[str, ...] = ()
    validation: Selective | None = None


def choose_answering(run: Path, hierarchy: Hierarchy, wishes: Wishes) -> Chosen:
    """Put together how a run is to answer.

    Its calibration is used where it is one of the checkpoint that answers. A calibration of another one, or none, is
    said where it would matter, and refused where answers cannot do without.

    Raises
    ------
    HiertaxError
        If a name is unknown, settings contradict each other, or the calibration is missing or damaged.
    """
    notes: list[str] = []
    calibration = _calibration(run, wishes, notes)
    restriction = restriction_of(hierarchy, _names(wishes.within), _names(wishes.without), _classes(wishes.classes))
    if restriction is not None:
        notes.append(f"{int(restriction.sum()):,} of {counted(len(restriction), 'class', 'classes')} may be answered")
    prior = None
    if wishes.prior is not None:
        counts = wishes.prior if isinstance(wishes.prior, Mapping) else read_counts(Path(wishes.prior))
        prior = prior_of(hierarchy, counts)
        if absent := int((prior == 0).sum()):
            notes.append(
                f"`prior`: {counted(absent, 'class', 'classes')} of {len(prior):,} without a count, never answered"
            )
    answering = Answering(
        hierarchy,
        decode=wishes.decode,
        temperatures=None if calibration is None else calibration.temperatures,
        path_weights=None if calibration is None else calibration.path_weights,
        rule=wishes.rule,
        confidence=_start(wishes),
        trade_off=0.0 if wishes.rule == "darts" else None,
        restriction=restriction,
        prior=prior,
    )
    validation = None
    if wishes.target_accuracy is not None and calibration is not None:
        answering, validation = at_accuracy(answering, wishes.target_accuracy, calibration.logits, calibration.truth)
        notes.append(_told(wishes.target_accuracy, answering, validation))
    if wishes.unknown is not None and calibration is not None:
        known = SCORES[answering.unknown_score](calibration.logits[-1])
        answering = replace(answering, unknown_threshold=threshold_of(known, wishes.unknown))
    return Chosen(answering, tuple(notes), validation)


def _calibration(run: Path, wishes: Wishes, notes: list[str]) -> Calibration | None:
    """Return the calibration to use, if there is one."""
    if wishes.target_accuracy is not None or wishes.unknown is not None:
        return Calibration.load(run)
    if is_calibrated(run):
        try:
            return Calibration.load(run)
        except HiertaxError as error:
            if wishes.is_cautious:
                raise
            notes.append(f"answers are not calibrated: {error}")
    elif wishes.is_cautious:
        notes.append(
            f"{run}: is not calibrated and may be surer than it should be; do that by hiertrain calibrate {run}"
        )
    return None


def _start(wishes: Wishes) -> float | None:
    """Return the confidence asked for, or one to begin with where it is to be found for an accuracy."""
    return 0.0 if wishes.rule == "threshold" and wishes.target_accuracy is not None else wishes.confidence


def _names(names: Names) -> Sequence[str]:
    return (names,) if isinstance(names, str) else names


def _classes(classes: Path | str | Collection[str] | None) -> Collection[str] | None:
    return read_names(Path(classes)) if isinstance(classes, str | Path) else classes


def _told(target: float, answering: Answering, found: Selective) -> str:
    """Say which operating point was chosen and what it does to the validation images."""
    levels = answering.hierarchy.levels
    deep = ", ".join(f"{level.name} {100 * share:.0f} %" for level, share in zip(levels, found.coverage, strict=True))
    by = (
        f"confidence {answering.confidence:.4f}" if answering.trade_off is None else f"lambda {answering.trade_off:.4g}"
    )
    return (
        f"for {100 * target:g} % right: {by}; on {found.n:,} validation images {100 * found.accuracy:.1f} % right, "
        f"{100 * found.lower:.1f} % or more by the 95 % bound; answered down to {deep}"
    )
