"""How a run is to answer, from settings as people give them: checked, looked up by name, and put together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from taxonomy import Hierarchy, HiertaxError
from taxonomy.datasets.notes import counted
from taxonomy.files import listed_names, read_text
from taxonomy.study.profiles import find_audience, served_at
from trainer.inference.answering.answer import Answering
from trainer.inference.answering.operating import Selective, at_accuracy
from trainer.inference.answering.restriction import prior_of, read_counts, restriction_of
from trainer.inference.answering.stopping import FloatArray
from trainer.inference.answering.unknown import SCORES, threshold_of
from trainer.inference.answering.wishes import Names, Wishes
from trainer.inference.answers import percent
from trainer.inference.decoding import DEFAULT
from trainer.runs.calibration import Calibration, is_calibrated


class Chosen(NamedTuple):
    """How to answer, what there is to say about it, and what was measured on a run's validation images."""

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
    answering, own, _ = uncalibrated(hierarchy, wishes)
    notes += own
    if calibration is not None:
        temperatures, path_weights = calibration.temperatures, calibration.path_weights
        answering = replace(answering, temperatures=temperatures, path_weights=path_weights)
    validation = None
    if wishes.target_accuracy is not None and calibration is not None:
        answering, validation = at_accuracy(answering, wishes.target_accuracy, calibration.logits, calibration.truth)
        notes.append(_told(wishes.target_accuracy, answering, validation))
    if wishes.unknown is not None and calibration is not None:
        known = SCORES[answering.unknown_score](calibration.logits[-1])
        answering = replace(answering, unknown_threshold=threshold_of(known, wishes.unknown))
    return Chosen(answering, tuple(notes), validation)


def uncalibrated(hierarchy: Hierarchy, wishes: Wishes) -> Chosen:
    """Put together how anything is to answer that knows these labels, as far as that takes no calibration.

    Raises
    ------
    HiertaxError
        If a name is unknown, or settings contradict each other.
    """
    notes = []
    classes, places = _classes(wishes.classes)
    restriction = restriction_of(hierarchy, _names(wishes.within), _names(wishes.without), classes, places)
    if restriction is not None:
        notes.append(f"{int(restriction.sum()):,} of {counted(len(restriction), 'class', 'classes')} may be answered")
    prior = None if wishes.prior is None else _prior(hierarchy, wishes.prior, notes)
    served = None
    if wishes.audience is not None:
        served, said = served_at(find_audience(wishes.audience), [level.name for level in hierarchy.levels])
        notes.append(said)
    answering = Answering(
        hierarchy,
        decode=DEFAULT if wishes.decode is None else wishes.decode,
        rule=wishes.rule,
        confidence=_start(wishes),
        trade_off=0.0 if wishes.rule == "darts" else None,
        served=served,
        restriction=restriction,
        prior=prior,
    )
    return Chosen(answering, tuple(notes))


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
            f"{run}: is not calibrated and may be surer than it should be; where images were held out of its training, "
            f"hiertrain calibrate {run} mends that"
        )
    return None


def _start(wishes: Wishes) -> float | None:
    """Return the confidence asked for, or one to begin with where it is to be found for an accuracy."""
    return 0.0 if wishes.rule == "threshold" and wishes.target_accuracy is not None else wishes.confidence


def _names(names: Names) -> Sequence[str]:
    return (names,) if isinstance(names, str) else names


def _classes(classes: Path | str | Collection[str] | None) -> tuple[Collection[str] | None, Mapping[str, str]]:
    """Return classes by name, and for those of a file the line of each."""
    if not isinstance(classes, str | Path):
        return classes, {}
    places = listed_names(read_text(Path(classes)), Path(classes))
    return tuple(places), places


def _prior(hierarchy: Hierarchy, given: Path | str | Mapping[str, float], notes: list[str]) -> FloatArray:
    """Return how common each class is, by counts or a file of them, and note how many have none."""
    prior = prior_of(hierarchy, given) if isinstance(given, Mapping) else prior_of(hierarchy, *read_counts(Path(given)))
    if absent := int((prior == 0).sum()):
        notes.append(
            f"`prior`: {counted(absent, 'class', 'classes')} of {len(prior):,} without a count, never answered"
        )
    return prior


def _told(target: float, answering: Answering, found: Selective) -> str:
    """Say which operating point was chosen and what it does to the validation images."""
    levels = answering.hierarchy.levels
    deep = ", ".join(f"{level.name} {percent(share)}" for level, share in zip(levels, found.coverage, strict=True))
    by = (
        f"confidence {answering.confidence:.4f}" if answering.trade_off is None else f"lambda {answering.trade_off:.4g}"
    )
    return (
        f"for {100 * target:g} % right: {by}; on {found.n:,} validation images {100 * found.accuracy:.1f} % right, "
        f"{100 * found.lower:.1f} % or more by the 95 % bound; answered down to {deep}"
    )
