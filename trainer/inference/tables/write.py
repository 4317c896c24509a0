"""A folder in, a table out: images answered for in batches, by one process or several, and resumed after a stop."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from taxonomy.datasets.notes import counted
from taxonomy.errors import Interrupted
from trainer.inference.answering.answer import Answering
from trainer.inference.tables.job import TableJob
from trainer.inference.tables.journal import Journal
from trainer.inference.tables.rows import Row, Subject, rows_of
from trainer.runtime.processes import SINGLE, ProcessGroup
from trainer.runtime.progress import Reporter

if TYPE_CHECKING:
    from trainer.inference.predictor import Predictor


@dataclass(frozen=True)
class Written:
    """A table that was written.

    Attributes
    ----------
    out
        Its path.
    images
        How many rows it has, one per image.
    unreadable
        How many of them hold, in place of an answer, the reason why the image could not be read.
    kept
        How many rows were there from before.
    """

    out: Path
    images: int
    unreadable: int
    kept: int = 0

    def __str__(self) -> str:
        said = f"{self.out}: {self.images - self.unreadable:,} of {counted(self.images, 'image')} answered"
        more = [f"{self.kept:,} of them before"] if self.kept else []
        more += [f"{self.unreadable:,} could not be read (see the reason in their rows)"] if self.unreadable else []
        return ", ".join([said, *more])


def write_table(job: TableJob, predictor: Predictor, reporter: Reporter, group: ProcessGroup = SINGLE) -> Written:
    """Answer for all images of a table that have no row yet, and write it.

    Rows are kept in ``OUT.part`` as they come; the same job goes on with them, in as many processes as there then are.

    Raises
    ------
    HiertaxError
        If rows of something else are kept there, another program writes it, or it cannot be written.
    Interrupted
        On Ctrl-C; the rows are kept.
    """
    journal = Journal(job.out)
    subject = Subject(predictor.hierarchy, f"hiertax {version('hiertax')}, {_name(predictor.run)}", job.base)
    job.format.check(subject, len(job.images))
    about = about_of(job, predictor)
    with journal.opened(about, overwrite=job.overwrite) if group.is_main else nullcontext():
        try:
            return _write(job, journal, subject, predictor, reporter, group)
        except KeyboardInterrupt:
            raise Interrupted(
                f"{job.out}: interrupted; what is done is kept in {journal.folder}: start the same again to go on"
            ) from None


def _write(
    job: TableJob, journal: Journal, subject: Subject, predictor: Predictor, reporter: Reporter, group: ProcessGroup
) -> Written:
    rest, number = group.of_main(partial(_to_do, job, journal))
    batch = predictor.config.batch_size
    mine = [image for i in range(group.rank * batch, len(rest), group.size * batch) for image in rest[i : i + batch]]
    _answer(mine, journal, number + group.rank, predictor, reporter)
    group.barrier()
    return group.of_main(partial(_finish, job, journal, subject, len(job.images) - len(rest), reporter))


def _to_do(job: TableJob, journal: Journal) -> tuple[list[str], int]:
    """Return which images have no row yet, and the number of the next file."""
    place = journal.index(job.images).file
    return [job.images[i] for i in np.flatnonzero(place < 0).tolist()], journal.number()


def _answer(images: Sequence[str], journal: Journal, number: int, predictor: Predictor, reporter: Reporter) -> None:
    """Answer for images, and keep their rows as they come."""
    with journal.appending(number) as append, reporter.images("answering", len(images)) as advance:

        def note(name: str, error: Exception) -> None:
            append([Row(name, [], [], reason=str(error).removeprefix(f"{name}: "))])
            advance()

        for batch in predictor.batches(images, note):
            append(rows_of(batch.names, predictor.answer(batch)))
            advance(len(batch.names))


def _finish(job: TableJob, journal: Journal, subject: Subject, kept: int, reporter: Reporter) -> Written:
    index = journal.index(job.images)
    if index.others:
        reporter.say(f"{counted(index.others, 'answer')} of images that are no longer there left out")
    journal.finish(lambda part: job.format.write(part, subject, journal.rows(index)))
    return Written(job.out, len(job.images), index.unreadable, kept)


def about_of(job: TableJob, predictor: Predictor) -> dict[str, Any]:
    """Say what all rows of a table have in common, as JSON values."""
    answering = _settings(predictor.answering)
    return {
        "format": "hiertrain-answers", "version": 1, "run": str(predictor.run), "checkpoint": predictor.seal(),
        "answering": answering, "images": job.about_images(),
    }  # fmt: skip


def _settings(answering: Answering) -> dict[str, Any]:
    """Return the settings of answers as JSON values, arrays by their hash."""
    values = {field.name: getattr(answering, field.name) for field in fields(answering) if field.name != "hierarchy"}
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return hashlib.sha256(value.tobytes()).hexdigest()
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


def _name(run: Path) -> str:
    return run.absolute().name
