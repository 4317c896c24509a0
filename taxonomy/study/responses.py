"""Responses: one per person and image, in one schema, checked line by line; a broken line is named and refused."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from taxonomy.errors import HiertaxError
from taxonomy.files import read_bytes, read_json, read_text, write_atomic, write_json
from taxonomy.hierarchy import Hierarchy
from taxonomy.study.plan import Lookup, Participant, Plan
from taxonomy.study.published import NONE

SCHEMA_VERSION: Final = 1
SEAL_FORMAT: Final = "hiertax-study-seal"
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")  # how a cell begins that a spreadsheet would work out
Pseudonym = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Milliseconds = Annotated[float, Meta(ge=0)]


class Response(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one person said of one image; there is no field for a name, an address or free text.

    Attributes
    ----------
    group, score
        The person's group (1 to 5, experts last) and score of familiarity.
    position
        When it was shown to this person, from 1.
    stage1, stage2
        The option chosen, and whether more than one was wanted; null if and only if stage 1 is ``none``.
    rt1_ms, rt2_ms
        Response times in milliseconds, null where not measured.
    option_order
        The options as they stood, first to last; in a CSV joined by ``|``.
    synthetic
        Whether it was made up by a program.
    """

    study_id: Name
    schema_version: Literal[1]
    participant_id: Pseudonym
    group: Annotated[int, Meta(ge=1, le=5)] | None
    score: float | None
    image_id: Pseudonym
    class_id: Name
    position: Annotated[int, Meta(ge=1)]
    stage1: Name
    stage2: Literal["yes", "no"] | None
    rt1_ms: Milliseconds | None
    rt2_ms: Milliseconds | None
    option_order: list[str]
    taxonomy_hash: str
    timestamp_utc: datetime
    synthetic: bool = False


class Seal(Struct, frozen=True):
    """What lies beside responses, as FILE.seal: the SHA-256 of the file, and what it is of."""

    format: str
    version: int
    study_id: str
    plan_seal: str
    responses: int
    sha256: str


@dataclass(frozen=True)
class Responses:
    """Checked responses, and what is to be said of them."""

    rows: tuple[Response, ...]
    notes: tuple[str, ...]

    @property
    def is_synthetic(self) -> bool:
        """Whether a program made them up."""
        return self.rows[0].synthetic


def planned_response(plan: Plan, person: Participant, position: int, **said: Any) -> Response:
    """Return the response to what a person is shown at a position (from 1), with the fields that no plan tells."""
    image, order = plan.images[person.images[position - 1]], person.option_orders[position - 1]
    return Response(
        study_id=plan.study_id,
        schema_version=SCHEMA_VERSION,
        participant_id=person.participant_id,
        image_id=image.image_id,
        class_id=image.class_id,
        position=position,
        option_order=[plan.options[i] for i in order],
        taxonomy_hash=plan.taxonomy_hash,
        **said,
    )


def read_responses(path: Path, hierarchy: Hierarchy, plan: Plan | None = None) -> Responses:
    """Read responses (JSON Lines, or CSV with a first line of names) and check every line.

    Parameters
    ----------
    plan
        The plan of the study, already checked against `hierarchy`. Without one, whether people saw what was assigned
        to them cannot be checked, which a note says.

    Raises
    ------
    HiertaxError
        On the first broken line: the file, the line, what is wrong and what to do. Also where the file's seal is
        broken.
    """
    content = read_bytes(path)
    notes = [_check_seal(path, content, plan)]
    records = _from_csv(path) if path.suffix.lower() == ".csv" else _from_lines(path, content)
    rules = _Rules(hierarchy, plan)
    rows = []
    for line, row in records:
        if wrong := rules.broken(row, line):
            raise HiertaxError(f"{path}:{line}: {wrong}")
        rows.append(row)
    if not rows:
        raise HiertaxError(f"{path}: no responses; give the file that the study wrote")
    notes.append(_completeness(rows, plan))
    return Responses(tuple(rows), tuple(note for note in notes if note))


def write_responses(path: Path, rows: Sequence[Response], plan: Plan) -> list[str]:
    """Write responses as JSON Lines, or as a CSV where the suffix says so, and their seal beside them.

    Returns
    -------
    What is to be said: cells of a CSV that a spreadsheet would take for formulas, which got an apostrophe before them
    (`read_responses` takes it off).

    Raises
    ------
    HiertaxError
        If they cannot be written; the old file stays as it was.
    """
    notes = []
    if path.suffix.lower() == ".csv":
        content, guarded = _to_csv(rows)
        if guarded:
            notes.append(f"{guarded} cells of {path} begin as formulas do, and got an apostrophe before them")
    else:
        encoder = msgspec.json.Encoder()
        content = b"".join(encoder.encode(row) + b"\n" for row in rows)
    write_atomic(path, content)
    digest = hashlib.sha256(content).hexdigest()
    write_json(_seal_of(path), Seal(SEAL_FORMAT, 1, plan.study_id, plan.seal, len(rows), digest))
    return notes


def _to_csv(rows: Sequence[Response]) -> tuple[bytes, int]:
    """Return the bytes of a CSV, and how many of its cells got an apostrophe."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(Response.__struct_fields__)
    guarded = 0
    for row in rows:
        record = msgspec.to_builtins(row)
        record["option_order"] = "|".join(row.option_order)
        record["synthetic"] = "true" if row.synthetic else "false"
        texts = {name for name, value in record.items() if isinstance(value, str) and _FORMULA.match(value)}
        guarded += len(texts)
        writer.writerow([f"'{value}" if name in texts else value for name, value in record.items()])
    return file.getvalue().encode(), guarded


class _Rules:
    """The invariants of responses, one line after the other."""

    def __init__(self, hierarchy: Hierarchy, plan: Plan | None) -> None:
        self.hierarchy, self.plan = hierarchy, plan
        self.options = [*(level.name for level in hierarchy.levels), NONE]
        self.lookup = None if plan is None else Lookup(plan)
        self.first: Response | None = None
        self.seen: dict[tuple[str, str], int] = {}
        self.places: dict[tuple[str, int], int] = {}
        self.people: dict[str, tuple[int, int | None, float | None]] = {}
        self.classes: dict[str, tuple[int, str]] = {}

    def broken(self, row: Response, line: int) -> str | None:
        """Return what is wrong with a line, and remember it."""
        return self._alone(row) or self._beside_others(row, line) or self._by_plan(row)

    def _alone(self, row: Response) -> str | None:
        if row.taxonomy_hash != self.hierarchy.content_hash:
            return (
                f"taxonomy_hash {row.taxonomy_hash[:12]!r} is not that of hierarchy {self.hierarchy.name!r} "
                f"({self.hierarchy.content_hash[:12]}); give the hierarchy of the study"
            )
        if row.class_id not in self.hierarchy.class_index:
            return f"class_id {row.class_id!r} is no class of the hierarchy"
        if row.stage1 not in self.options:
            return f"stage1 {row.stage1!r} is none of {', '.join(self.options)}"
        if (row.stage2 is None) != (row.stage1 == NONE):
            return f"stage2 must be null if and only if stage1 is none; they are {row.stage2!r} and {row.stage1!r}"
        if row.stage2 is None and row.rt2_ms is not None:
            return "rt2_ms is the time of a stage 2 that was not shown; make it null"
        if sorted(row.option_order) != sorted(self.options):
            return f"option_order {'|'.join(row.option_order)!r} is no order of {', '.join(self.options)}"
        if row.timestamp_utc.utcoffset() != timedelta(0):
            return f"timestamp_utc {row.timestamp_utc.isoformat()!r} is not in UTC; write it with a Z"
        return None

    def _beside_others(self, row: Response, line: int) -> str | None:
        self.first = self.first or row
        if row.study_id != self.first.study_id:
            return f"study_id {row.study_id!r} differs from {self.first.study_id!r} above; keep studies apart"
        if row.synthetic != self.first.synthetic:
            return "synthetic and real responses in one file; keep them apart"
        before = self.seen.setdefault((row.participant_id, row.image_id), line)
        if before != line:
            return f"participant {row.participant_id!r} answered image {row.image_id!r} in line {before} already"
        before = self.places.setdefault((row.participant_id, row.position), line)
        if before != line:
            return f"participant {row.participant_id!r} has position {row.position} in line {before} already"
        known = self.people.setdefault(row.participant_id, (line, row.group, row.score))
        if known[1:] != (row.group, row.score):
            return f"participant {row.participant_id!r} has another group or score in line {known[0]}"
        of = self.classes.setdefault(row.image_id, (line, row.class_id))
        return None if of[1] == row.class_id else f"image {row.image_id!r} is of class {of[1]!r} in line {of[0]}"

    def _by_plan(self, row: Response) -> str | None:
        if self.lookup is None or self.plan is None:
            return None
        if row.study_id != self.plan.study_id:
            return f"study_id {row.study_id!r} is not the plan's, {self.plan.study_id!r}; give the plan of this study"
        person, image = self.lookup.people.get(row.participant_id), self.lookup.images.get(row.image_id)
        if person is None:
            return f"participant {row.participant_id!r} is not in the plan"
        place = None if image is None else self.lookup.places[row.participant_id].get(image)
        if image is None or place is None:
            return f"image {row.image_id!r} was not assigned to participant {row.participant_id!r}"
        order = [self.plan.options[i] for i in person.option_orders[place]]
        asked = {
            "class_id": (row.class_id, self.plan.images[image].class_id),
            "position": (row.position, place + 1),
            "option_order": (row.option_order, order),
        }
        if person.group is not None:
            asked |= {"group": (row.group, person.group), "score": (row.score, person.score)}
        wrong = next((name for name, (found, planned) in asked.items() if found != planned), None)
        return wrong and f"{wrong} {asked[wrong][0]!r} is not the plan's, {asked[wrong][1]!r}"


def _from_lines(path: Path, content: bytes) -> Iterator[tuple[int, Response]]:
    decoder = msgspec.json.Decoder(Response)
    for line, text in enumerate(content.splitlines(), start=1):
        if not text.strip():
            raise HiertaxError(f"{path}:{line}: an empty line; delete it")
        try:
            yield line, decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HiertaxError(f"{path}:{line}: no response: {error}; restore the line") from None


def _from_csv(path: Path) -> Iterator[tuple[int, Response]]:
    reader = csv.DictReader(read_text(path).splitlines(), strict=True)
    names = list(Response.__struct_fields__)
    if sorted(reader.fieldnames or []) not in (sorted(names), sorted(names[:-1])):
        raise HiertaxError(f"{path}:1: the columns must be {','.join(names)} (synthetic may lack), and no others")
    try:
        for cells in reader:
            yield reader.line_num, _converted(cells, f"{path}:{reader.line_num}")
    except csv.Error as error:
        raise HiertaxError(f"{path}:{reader.line_num}: no line of a CSV: {error}; restore the line") from None


def _converted(cells: dict[str | Any, Any], place: str) -> Response:
    if None in cells or None in cells.values():
        raise HiertaxError(f"{place}: not as many cells as columns; restore the line")
    values: dict[str, Any] = {
        name: _unguarded(cell) if cell not in ("", "null") else None for name, cell in cells.items()
    }
    values["option_order"] = (values["option_order"] or "").split("|")
    if values.get("synthetic", "") is None:
        del values["synthetic"]
    try:
        return msgspec.convert(values, Response, strict=False)
    except msgspec.ValidationError as error:
        raise HiertaxError(f"{place}: no response: {error}; restore the line") from None


def _unguarded(cell: str) -> str:
    """Return a cell without the apostrophe that kept a spreadsheet from working it out."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _check_seal(path: Path, content: bytes, plan: Plan | None) -> str:
    place = _seal_of(path)
    if not place.exists():
        return f"{path} has no seal ({place.name}): whether it was changed since it was written cannot be told"
    try:
        seal = msgspec.convert(read_json(place), Seal)
    except msgspec.ValidationError as error:
        raise HiertaxError(f"{place}: no seal of responses: {error}; take the file as the study wrote it") from None
    if seal.sha256 != hashlib.sha256(content).hexdigest():
        raise HiertaxError(
            f"{path}: the seal is broken: the responses were changed after they were written; take the file of "
            f"{seal.responses} responses as the study wrote it"
        )
    if plan is not None and seal.plan_seal != plan.seal:
        raise HiertaxError(f"{place}: sealed with another plan ({seal.plan_seal[:12]}); give the plan of this study")
    return ""


def _completeness(rows: Iterable[Response], plan: Plan | None) -> str:
    if plan is None:
        return "no plan is given: whether people saw what was assigned to them was not checked"
    answered: dict[str, int] = {}
    for row in rows:
        answered[row.participant_id] = answered.get(row.participant_id, 0) + 1
    total, asked = sum(answered.values()), len(plan.participants) * plan.per_person
    if total == asked:
        return ""
    return (
        f"{total} of {asked} planned responses are there: {len(plan.participants) - len(answered)} participants "
        f"answered nothing, {sum(n < plan.per_person for n in answered.values())} a part"
    )


def _seal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.seal")
