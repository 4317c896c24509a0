"""An experiment carried out: what is done is taken, the rest is trained, and all of it becomes one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from taxonomy import HiertaxError
from trainer.config import Config
from trainer.models.stored import LAST
from trainer.reproduce.cells import Cell, Source, refuse_others
from trainer.reproduce.records import Record, read_record
from trainer.runs.calibration import checkpoint_seal
from trainer.runs.header import Header
from trainer.runs.lock import refuse_if_locked
from trainer.runtime.progress import Once

if TYPE_CHECKING:  # they need torch
    from trainer.reproduce.jobs import Job

FEATURES = (  # settings that decide the features of a frozen backbone, and how they are computed
    "data", "backbone", "weights", "pool", "image_size", "split", "test_fraction", "limit_per_class", "val_fraction",
    "crop_to_box", "skip_bad_images", "precision", "device", "batch_size", "cache",
)  # fmt: skip


@dataclass(frozen=True)
class State:
    """How far the run of a cell is.

    Attributes
    ----------
    config
        The settings of the run that is there; None where there is none.
    epochs
        How many epochs are finished.
    record
        Its record, where it is finished and scored.
    """

    config: Config | None = None
    epochs: int = 0
    record: Record | None = None


def state_of(cell: Cell, runs: Path) -> State:
    """Return how far the run of a cell is; a record of another checkpoint than is there now counts for nothing."""
    folder = runs / cell.name
    record = read_record(folder)
    if not (folder / LAST).is_file():
        if record is None or record.seal is not None:  # its checkpoint is gone
            return State()
        return State(record.settings(), record.epochs, record)
    header = Header.read(folder / LAST)
    if record is not None and record.seal != checkpoint_seal(folder):
        record = None
    return State(header.config, header.epoch, record)


def carry_out(
    cells: Sequence[Cell], sources: Sequence[Source], out: Path, jobs: int, reporter: Once
) -> tuple[list[Record], dict[str, str]]:
    """Do what is not done yet of an experiment.

    Parameters
    ----------
    out
        The experiment's folder, with its run folders in ``runs``.
    jobs
        How many processes train at a time.

    Returns
    -------
    records
        Those of all runs that are finished, in the order of the cells.
    missing
        Why others are not, by the name of the run.

    Raises
    ------
    HiertaxError
        If a run that is there was trained with other settings; then nothing is done.
    Interrupted
        After Ctrl-C or SIGTERM.
    """
    from trainer.reproduce.forecast import forecast
    from trainer.reproduce.jobs import do_jobs

    runs = out / "runs"
    states = [state_of(cell, runs) for cell in cells]
    refuse_others(cells, [state.config for state in states], runs)
    pending = [(cell, state) for cell, state in zip(cells, states, strict=True) if state.record is None]
    missing = _taken([cell for cell, _ in pending], runs)
    left = [(cell, state) for cell, state in pending if cell.name not in missing]
    done = len(cells) - len(pending)
    reporter.say(f"{out}: {len(cells)} runs, {done} of them done" + (f"; {len(missing)} elsewhere" if missing else ""))
    if left:
        forecast(left, sources, runs, jobs, reporter)
        shared = _jobs([cell for cell, _ in left], sources)
        failed = do_jobs(shared, runs, jobs, reporter)
        missing |= {cell.name: failed[job.name] for job in shared for cell in job.cells if job.name in failed}
    records = {cell.name: state_of(cell, runs).record for cell in cells}
    missing |= {name: missing.get(name, "is not finished") for name, record in records.items() if record is None}
    return [record for record in records.values() if record is not None], {
        name: why for name, why in missing.items() if records[name] is None
    }


def _taken(cells: Sequence[Cell], runs: Path) -> dict[str, str]:
    """Return the cells that another process is at, which has started before."""
    found = {}
    for cell in cells:
        try:
            refuse_if_locked(runs / cell.name)
        except HiertaxError:
            found[cell.name] = "another process is training it; start again when it has ended"
    return found


def _jobs(cells: Sequence[Cell], sources: Sequence[Source]) -> list[Job]:
    """Share cells out: whole networks each by itself, heads together with those on the same features."""
    from trainer.reproduce.jobs import Job

    bases = {source.key: source.hierarchy for source in sources}
    together: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        features = tuple(getattr(cell.config, name) for name in FEATURES)
        key = (cell.source, *features) if cell.config.freeze_backbone else (cell.name,)
        together.setdefault(key, []).append(cell)
    return [Job(tuple(each), bases[each[0].source]) for each in together.values()]
