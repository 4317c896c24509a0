"""What people clicked, in one SQLite file: on the disk before it is acknowledged, never overwritten, sealed row by row.

Each person's clicks are a chain: the seal of a row covers the seal of the row before, and the person's own row, sealed
too, tells how many there are and which is the last. An edit, a row put in, taken out or exchanged breaks a seal.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from taxonomy.errors import HiertaxError
from taxonomy.study.server.records import BrokenSealError, Click, Kept, NotStoredError, Person
from taxonomy.study.server.seals import Seals, equal

_SCHEMA: Final = """
CREATE TABLE study (content TEXT NOT NULL, seal TEXT NOT NULL);
CREATE TABLE person (
    participant_id TEXT PRIMARY KEY, token TEXT UNIQUE, state TEXT NOT NULL, clicks INTEGER NOT NULL,
    last TEXT NOT NULL, seal TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE click (
    participant_id TEXT NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, position INTEGER NOT NULL,
    value TEXT NOT NULL, ms REAL, measured TEXT, at TEXT NOT NULL, seal TEXT NOT NULL,
    PRIMARY KEY (participant_id, number), UNIQUE (participant_id, kind, position)
) WITHOUT ROWID;
"""
_PERSON: Final = "SELECT participant_id, token, state, clicks, last, seal FROM person"
_CLICKS: Final = (
    "SELECT number, kind, position, value, ms, measured, at, seal FROM click WHERE participant_id = ? ORDER BY number"
)
_WAIT: Final = 10.0  # seconds for another process, such as an export, to let go of the file


@dataclass(eq=False)
class _Job:
    """A click to be written, and what became of it."""

    participant_id: str
    click: Click
    stands: str = ""
    error: HiertaxError | None = None
    done: bool = False


def now() -> datetime:
    """Return the time by this machine's clock."""
    return datetime.now(UTC)


class Store:
    """The database of a study; several threads, and several processes, may use it at once.

    Raises
    ------
    HiertaxError
        If there is none, or it cannot be read.
    """

    def __init__(self, path: Path, seals: Seals, clock: Callable[[], datetime] = now) -> None:
        if not path.is_file():
            raise HiertaxError(f"{path}: no such file; give a folder that `hiertax study prepare` made")
        self.path, self._seals, self._clock = path, seals, clock
        self._jobs: list[_Job] = []
        self._queueing, self._lock, self._reading = threading.Lock(), threading.RLock(), threading.RLock()
        self._db, self._reader = (
            sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False) for _ in range(2)
        )  # who reads does not wait for the disk, which who writes does
        try:
            for line in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
                self._db.execute(f"PRAGMA {line}")
            self._reader.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            self.close()
            raise HiertaxError(f"{path}: no database of a study: {error}; put back the file as it was") from None

    @classmethod
    def create(cls, path: Path, seals: Seals, content: str, participants: Sequence[str]) -> Store:
        """Make the database of a study.

        Parameters
        ----------
        content
            What the study is, to be sealed with it.
        """
        path.touch(mode=0o600)
        store = cls(path, seals)
        try:
            with store._writing() as db:
                for statement in _SCHEMA.split(";")[:-1]:
                    db.execute(statement)
                db.execute("INSERT INTO study VALUES (?, ?)", (content, seals.of("study", content)))
                for name in participants:
                    row = (name, None, "open", 0, "")
                    db.execute("INSERT INTO person VALUES (?, ?, ?, ?, ?, ?)", (*row, seals.of("person", *row)))
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._db.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all that is read within be of one moment, whoever clicks meanwhile, in this process or another."""
        with self._reading:
            self._read("BEGIN")
            try:
                yield
            finally:
                self._read("COMMIT")

    def content(self) -> str:
        """Return what the study is.

        Raises
        ------
        BrokenSealError
            If that was edited.
        """
        rows = self._read("SELECT content, seal FROM study")
        if len(rows) != 1 or not equal(str(rows[0][1]), self._seals.of("study", rows[0][0])):
            raise self._broken("what the study is")
        return str(rows[0][0])

    def people(self) -> dict[str, Person]:
        """Return all participants by their id."""
        return {row[0]: _person(row) for row in self._read(_PERSON)}

    def person_of(self, digest: str) -> Person | None:
        """Return whose link a token makes, by the token's digest."""
        rows = self._read(f"{_PERSON} WHERE token = ?", digest)
        return _person(rows[0]) if rows else None

    def answers_of(self, participant_id: str) -> dict[tuple[str, int], str]:
        """Return what a person answered, by kind and position."""
        rows = self._read("SELECT kind, position, value FROM click WHERE participant_id = ?", participant_id)
        return {(kind, position): value for kind, position, value in rows}

    def clicks_of(self, participant_id: str) -> list[Kept]:
        """Return a person's clicks in the order in which they were stored."""
        return [Kept(row[0], Click(*row[1:6]), row[6]) for row in self._read(_CLICKS, participant_id)]

    def record(self, participant_id: str, click: Click) -> str:
        """Write an answer through to the disk, unless there is one to the same question.

        Returns
        -------
        The answer that stands: this one, or the first one.

        Raises
        ------
        NotStoredError
            If it cannot be written; nothing is changed then.
        BrokenSealError
            If the person's row was edited, or they have withdrawn.
        """
        job = _Job(participant_id, click)
        with self._queueing:
            self._jobs.append(job)
        with self._lock:
            if not job.done:  # those who came while another one waited for the disk are written together
                with self._queueing:
                    jobs, self._jobs = self._jobs, []
                self._write(jobs)
        if job.error:
            raise job.error
        return job.stands

    def _write(self, jobs: Sequence[_Job]) -> None:
        """Write some clicks in one transaction; of a disk that is full all are told, of a broken seal its owner."""
        broken: dict[_Job, HiertaxError] = {}
        failed: HiertaxError | None = NotStoredError(f"{self.path}: nothing was written; try again")
        try:
            with self._writing() as db:
                for job in jobs:
                    try:
                        job.stands = self._put(db, job.participant_id, job.click)
                    except BrokenSealError as error:
                        broken[job] = error
            failed = None
        except NotStoredError as error:
            failed = error
        finally:
            for job in jobs:
                job.error, job.done = failed or broken.get(job), True

    def _put(self, db: sqlite3.Connection, participant_id: str, click: Click) -> str:
        row = self._row(db, participant_id)
        found = db.execute(
            "SELECT value FROM click WHERE participant_id = ? AND kind = ? AND position = ?",
            (participant_id, click.kind, click.position),
        ).fetchone()
        if found or row[2] != "open":
            return str(found[0]) if found else ""
        number, at = row[3] + 1, self._clock().isoformat(timespec="milliseconds")
        values = (number, click.kind, click.position, click.value, click.ms, click.measured, at)
        seal = self._seals.of("click", participant_id, row[4], *values)
        db.execute("INSERT INTO click VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (participant_id, *values, seal))
        self._update(db, (participant_id, row[1], row[2], number, seal))
        return click.value

    def set_tokens(self, digests: Mapping[str, str]) -> None:
        """Give people new links, by the tokens' digests; their old ones open nothing any more."""
        with self._writing() as db:
            for name, digest in digests.items():
                row = self._row(db, name)
                self._update(db, (name, digest, *row[2:5]))

    def withdraw(self, participant_id: str) -> None:
        """Erase all that a person answered, also from what the disk keeps of the file, and remember that they withdrew.

        Raises
        ------
        NotStoredError
            If it cannot be written.
        """
        with self._writing() as db:
            row = self._row(db, participant_id)
            db.execute("DELETE FROM click WHERE participant_id = ?", (participant_id,))
            self._update(db, (participant_id, row[1], "withdrawn", 0, ""))
        self.erase()

    def erase(self) -> None:
        """Write the file anew without what was deleted, and empty its journal; nothing to do where nobody withdrew."""
        if not any(person.state == "withdrawn" for person in self.people().values()):
            return
        with self._lock, self._reading:
            try:
                self._db.execute("VACUUM")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error as error:
                raise self._not_stored(error) from None

    def check(self, participants: Sequence[str]) -> None:
        """Look at every seal.

        Raises
        ------
        BrokenSealError
            At the first that is broken: whose, and which click.
        """
        with self.snapshot():  # a click that comes between two reads is no edit
            self._check(participants)

    def _check(self, participants: Sequence[str]) -> None:
        self.content()
        rows = {row[0]: row for row in self._read(_PERSON)}
        if sorted(rows) != sorted(participants):
            odd = sorted(rows.keys() ^ set(participants))[0]
            raise self._broken(f"participant {odd}, whose row was put in or taken out")
        strays = self._read("SELECT DISTINCT participant_id FROM click")
        for name in sorted({str(row[0]) for row in strays} - rows.keys()):
            raise self._broken(f"participant {name}, who is not in the plan")
        for name, row in rows.items():
            self._check_chain(name, row)

    def _check_chain(self, name: str, row: Sequence[Any]) -> None:
        if not equal(str(row[5]), self._seals.of("person", *row[:5])):
            raise self._broken(f"participant {name}")
        last, count = "", 0
        for values in self._read(_CLICKS, name):
            where = f"participant {name}, click {values[0]} ({values[1]} {values[2]})"
            count += 1
            if values[0] != count or not equal(str(values[7]), self._seals.of("click", name, last, *values[:7])):
                raise self._broken(where)
            last = values[7]
        if (count, last) != (row[3], row[4]):
            raise self._broken(f"participant {name}: {count} clicks are there, {row[3]} were stored")

    def _row(self, db: sqlite3.Connection, name: str) -> Sequence[Any]:
        row: Sequence[Any] | None = db.execute(f"{_PERSON} WHERE participant_id = ?", (name,)).fetchone()
        if row is None or not equal(str(row[5]), self._seals.of("person", *row[:5])):
            raise self._broken(f"participant {name}")
        return row

    def _update(self, db: sqlite3.Connection, row: tuple[str, Any, Any, Any, Any]) -> None:
        db.execute(
            "UPDATE person SET token = ?, state = ?, clicks = ?, last = ?, seal = ? WHERE participant_id = ?",
            (*row[1:], self._seals.of("person", *row), row[0]),
        )

    def _read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._reading:
            try:
                return self._reader.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise HiertaxError(f"{self.path}: cannot be read: {error}; put back the file as it was") from None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is on the disk at its end, or nothing."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._not_stored(error) from None
            finally:
                if self._db.in_transaction:
                    with suppress(sqlite3.Error):
                        self._db.execute("ROLLBACK")

    def _not_stored(self, error: sqlite3.Error) -> NotStoredError:
        return NotStoredError(f"{self.path}: cannot be written: {error}; free some space, or give back the disk")

    def _broken(self, where: str) -> BrokenSealError:
        return BrokenSealError(
            f"{self.path}: the seal is broken at {where}: the database was edited; put back a copy from before"
        )


def _person(row: Sequence[Any]) -> Person:
    return Person(row[0], row[1] is not None, row[2])
