"""The folder of a study: made once from a plan, sealed, and opened to serve, to make links and to export."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from taxonomy.errors import HiertaxError
from taxonomy.files import read_bytes
from taxonomy.hierarchy import Hierarchy
from taxonomy.study.plan import Participant, Plan, check_hierarchy, check_images, load_plan
from taxonomy.study.server.familiarity import Question, edges_of, group_of, make_questions, read_questions, score_of
from taxonomy.study.server.seals import Seals, new_key, read_seals
from taxonomy.study.server.steps import Answered
from taxonomy.study.server.store import Store, now
from taxonomy.study.server.texts import Texts, read_texts

FORMAT: Final = "hiertax-study"
VERSION: Final = 1
PLAN, HIERARCHY, TEXTS, TEST, DATABASE, KEY = (
    "plan.json", "hierarchy.json", "texts.toml", "test.json", "study.sqlite", "key",
)  # fmt: skip


class Content(Struct, frozen=True, kw_only=True):
    """What a study is, as sealed in its database.

    Attributes
    ----------
    images
        The folder of the dataset.
    contact
        Whom participants may ask.
    is_trial
        Whether all answers are to be marked as synthetic.
    edges
        The scores at which groups 2 to 5 begin.
    files
        The SHA-256 of each file beside the database.
    """

    format: str = FORMAT
    version: int = VERSION
    plan_seal: str
    images: str
    contact: str
    is_trial: bool
    edges: list[float]
    files: dict[str, str]


@dataclass(frozen=True)
class Opened:
    """A study's folder as values, and its open database."""

    folder: Path
    content: Content
    plan: Plan
    hierarchy: Hierarchy
    texts: Texts
    questions: Sequence[Question]
    seals: Seals
    store: Store
    images: Path

    def questions_for(self, person: Participant) -> Sequence[Question]:
        """Return the test, which is not asked of those whose group the plan has already."""
        return self.questions if person.group is None else ()

    def about(self, person: Participant, answers: Answered) -> tuple[int | None, float | None]:
        """Return a person's group and score: the plan's, or those of the test where it was finished."""
        if person.group is not None:
            return person.group, person.score
        given = [answers.get(("test", i)) for i in range(1, len(self.questions) + 1)]
        if not given or None in given:
            return None, None
        score = score_of(self.questions, [str(answer) for answer in given])
        return group_of(score, self.content.edges), score


@dataclass(frozen=True)
class Wanted:
    """What a lab decides when it prepares a study; see `Content`. `texts` is a language that is shipped, or a file."""

    contact: str
    texts: str | Path = "en"
    test: Path | None = None
    edges: Sequence[float] | None = None
    is_trial: bool = False


def prepare(plan_file: Path, hierarchy: Hierarchy, images: Path, wanted: Wanted, out: Path) -> list[Question]:
    """Make the folder of a study; return the questions of its test.

    Parameters
    ----------
    images
        The folder of the dataset, in which each image must be as planned.

    Raises
    ------
    HiertaxError
        If something does not fit the plan, or the folder is there already or cannot be written.
    """
    if out.exists():
        raise HiertaxError(f"{out}: is there already, and may hold answers; choose another `out`")
    plan = load_plan(plan_file)
    check_hierarchy(plan, hierarchy)
    check_images(plan, images)
    texts, text_bytes = read_texts(wanted.texts)
    questions = _questions(plan, hierarchy, texts, wanted)
    files = {
        PLAN: read_bytes(plan_file), HIERARCHY: _json(hierarchy.to_json()), TEXTS: text_bytes, TEST: _json(questions),
    }  # fmt: skip
    content = Content(
        plan_seal=plan.seal,
        images=str(images.resolve()),
        contact=_contact(wanted.contact),
        is_trial=wanted.is_trial,
        edges=_edges(wanted.edges, len(questions)),
        files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    )
    _write(out, files, content, [who.participant_id for who in plan.participants])
    return questions


def open_study(folder: Path, images: Path | None = None, clock: Callable[[], datetime] = now) -> Opened:
    """Open a study, after a look at every seal.

    Parameters
    ----------
    images
        The folder of the dataset, where it was moved since.

    Raises
    ------
    HiertaxError
        If it is none, or a file or the database was changed: which one, and where.
    """
    seals = read_seals(folder / KEY) if folder.is_dir() else None
    if seals is None:
        raise HiertaxError(f"{folder}: no folder of a study; make one by `hiertax study prepare`")
    store = Store(folder / DATABASE, seals, clock)
    try:
        content = _content(store, folder)
        plan = load_plan(folder / PLAN)
        if plan.seal != content.plan_seal:
            raise HiertaxError(f"{folder / PLAN}: another plan than the study was prepared with; put it back")
        store.check([who.participant_id for who in plan.participants])
        return Opened(
            folder, content, plan, Hierarchy.load(folder / HIERARCHY), read_texts(folder / TEXTS)[0],
            msgspec.json.decode(read_bytes(folder / TEST), type=list[Question]), seals, store,
            Path(content.images) if images is None else images,
        )  # fmt: skip
    except BaseException:
        store.close()
        raise


def _content(store: Store, folder: Path) -> Content:
    """Return what a study is, after a look at the files beside its database."""
    try:
        content = msgspec.json.decode(store.content(), type=Content)
    except msgspec.DecodeError as error:
        raise HiertaxError(f"{store.path}: of another version of hiertax: {error}; use that one") from None
    if (content.format, content.version) != (FORMAT, VERSION):
        raise HiertaxError(f"{store.path}: of another version of hiertax ({content.version}); use that one")
    for name, digest in content.files.items():
        if hashlib.sha256(read_bytes(folder / name)).hexdigest() != digest:
            raise HiertaxError(
                f"{folder / name}: the seal is broken: the file was changed after the study was prepared; put it back "
                "as it was, or prepare another study"
            )
    return content


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _questions(plan: Plan, hierarchy: Hierarchy, texts: Texts, wanted: Wanted) -> list[Question]:
    if all(who.group is not None for who in plan.participants):
        if wanted.test is not None or wanted.edges is not None:
            raise HiertaxError("the plan has a group for everybody: leave out `test` and `groups`")
        return []
    return make_questions(hierarchy, texts, plan.seed) if wanted.test is None else read_questions(wanted.test)


def _edges(given: Sequence[float] | None, questions: int) -> list[float]:
    edges = edges_of(questions) if given is None else list(given)
    if questions:
        group_of(0, edges)  # which refuses boundaries that are none
    return edges


def _contact(contact: str) -> str:
    if not contact.strip() or not contact.isprintable() or len(contact) > 300:
        raise HiertaxError("`contact`: give one line that says whom participants may ask, such as a mail address")
    return contact.strip()


def _write(out: Path, files: dict[str, bytes], content: Content, participants: list[str]) -> None:
    """Write the folder under another name first, so that it is there whole or not at all."""
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    key = new_key()
    try:
        part.mkdir(parents=True, mode=0o700)
        for name, data in files.items():
            (part / name).write_bytes(data)
        (part / KEY).touch(mode=0o600)
        (part / KEY).write_text(key)
        seals = Seals(bytes.fromhex(key))
        Store.create(part / DATABASE, seals, msgspec.json.encode(content).decode(), participants).close()
        part.rename(out)
    except OSError as error:
        raise HiertaxError(f"{out}: cannot be written: {error.strerror or error}; choose another `out`") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
