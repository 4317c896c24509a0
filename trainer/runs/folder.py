"""A run folder: ``config.toml``, ``hierarchy.json``, the log, the last checkpoint, and the best if one is kept."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from taxonomy import Hierarchy, HiertaxError
from trainer.config import Config
from trainer.models.stored import BEST, LAST
from trainer.runs.lock import refuse_if_locked
from trainer.runs.log import Row, write_log

if TYPE_CHECKING:  # it needs torch
    from trainer.runs.checkpoint import Snapshot

CALIBRATION: Final = "calibration.safetensors"  # how sure the run's answers are to be; see `trainer.runs.calibration`


@dataclass(frozen=True)
class Run:
    """A run folder on disk."""

    path: Path

    @property
    def has_checkpoint(self) -> bool:
        """Whether anything of a training is saved here."""
        return (self.path / LAST).exists()

    def create(self, config: Config, hierarchy: Hierarchy) -> None:
        """Create the folder, or reuse one in which no checkpoint was ever saved.

        Raises
        ------
        HiertaxError
            If there is a run in it already, or it cannot be written.
        """
        self._refuse_if_trained()
        self._remove_parts()
        self.keep(config)
        hierarchy.save(self.path / "hierarchy.json")
        for name in ("log.csv", "log.jsonl", BEST, CALIBRATION):
            (self.path / name).unlink(missing_ok=True)

    def keep(self, config: Config) -> None:
        """Write the settings of the run, for people and to repeat it."""
        config.save(self.path / "config.toml")

    def refuse_if_taken(self) -> None:
        """Refuse a folder with a run in it, or in which another process trains, before any work is done for another.

        Raises
        ------
        HiertaxError
            If that is so.
        """
        self._refuse_if_trained()
        refuse_if_locked(self.path)

    def _refuse_if_trained(self) -> None:
        if self.has_checkpoint:
            raise HiertaxError(
                f"{self.path}: there is a run here; go on with it by `resume` {self.path}, or choose another `out`"
            )

    def repair(self, log: Sequence[Row]) -> None:
        """Remove what a killed process has half written, and give the log back what the checkpoint knows of it."""
        self._remove_parts()
        if log:
            write_log(self.path, log)

    def _remove_parts(self) -> None:
        for part in self.path.glob(".*.part"):
            part.unlink(missing_ok=True)


class Saver:
    """Writes a run's state in a thread of its own, so that learning need not wait for the disk.

    One state is written at a time: a new one waits for that before it. The checkpoint has the log inside, so the log's
    own files are for people and may be lost.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="saver")
        self.writing: Future[None] | None = None

    def save(self, snapshot: Snapshot, *, best: bool = False) -> None:
        """Begin to write a state, once the one before it is written.

        Parameters
        ----------
        best
            Whether to write it also as the best one.

        Raises
        ------
        HiertaxError
            If the state before could not be written.
        """
        self.wait()
        self.writing = self.pool.submit(self._write, snapshot, best)

    def wait(self) -> None:
        """Wait until everything is on disk.

        Raises
        ------
        HiertaxError
            If it could not be written; what was saved before is still there.
        """
        writing, self.writing = self.writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Wait, and let the thread go."""
        self.pool.shutdown(wait=True)

    def _write(self, snapshot: Snapshot, best: bool) -> None:
        if snapshot.log:
            write_log(self.run.path, snapshot.log)
        if best:
            snapshot.write(self.run.path / BEST)
        snapshot.write(self.run.path / LAST)
