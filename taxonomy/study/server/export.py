"""What is stored, as responses that `hiertax study analyse` reads; tokens and keys stay behind."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import pairwise

from taxonomy.datasets.notes import counted
from taxonomy.errors import HiertaxError
from taxonomy.study.plan import Participant
from taxonomy.study.published import NONE
from taxonomy.study.responses import Response, planned_response
from taxonomy.study.server.folder import Opened
from taxonomy.study.server.records import Kept


def export_responses(study: Opened) -> tuple[list[Response], list[str]]:
    """Return the finished responses, in the order of the plan, and what is to be said of the rest.

    Raises
    ------
    HiertaxError
        If there is none yet.
    """
    rows: list[Response] = []
    counts: Counter[str] = Counter()
    with study.store.snapshot():
        people = study.store.people()
        clicks_of = {name: study.store.clicks_of(name) for name in people}
    for person in study.plan.participants:
        clicks = clicks_of[person.participant_id]
        counts["withdrawn"] += people[person.participant_id].state == "withdrawn"
        counts["nothing"] += not clicks and people[person.participant_id].state == "open"
        counts["back"] += sum(one.at > other.at for one, other in pairwise(clicks))
        rows += _rows(study, person, clicks, counts)
    if not rows:
        raise HiertaxError(f"{study.folder}: no image has been answered yet; wait for participants")
    return rows, _notes(counts, len(rows), study)


def _rows(study: Opened, person: Participant, clicks: list[Kept], counts: Counter[str]) -> list[Response]:
    by = {(kept.click.kind, kept.click.position): kept for kept in clicks}
    group, score = study.about(person, {key: kept.click.value for key, kept in by.items()})
    rows = []
    for position in range(1, len(person.images) + 1):
        first, second = by.get(("stage1", position)), by.get(("stage2", position))
        if first is None:
            continue
        if second is None and first.click.value != NONE:
            counts["half"] += 1
            continue
        counts.update(kept.click.measured or "unmeasured" for kept in (first, second) if kept)
        rows.append(
            planned_response(
                study.plan,
                person,
                position,
                group=group,
                score=score,
                stage1=first.click.value,
                stage2=None if second is None else "yes" if second.click.value == "yes" else "no",
                rt1_ms=first.click.ms,
                rt2_ms=None if second is None else second.click.ms,
                timestamp_utc=datetime.fromisoformat(first.at),
                synthetic=study.content.is_trial,
            )
        )
    return rows


def _notes(counts: Counter[str], rows: int, study: Opened) -> list[str]:
    planned = len(study.plan.participants) * study.plan.per_person
    notes = [] if rows == planned else [f"{rows} of {planned} planned responses are there"]
    said = {
        "nothing": "{} answered nothing yet",
        "withdrawn": "{} withdrew, and what they answered is erased",
    }
    notes += [text.format(counted(counts[key], "participant")) for key, text in said.items() if counts[key]]
    if counts["half"]:
        notes.append(f"{counted(counts['half'], 'image')} with an answer to stage 1 only, left out")
    if counts["back"]:
        notes.append(
            f"the clock went back {counted(counts['back'], 'time')} between two clicks of a person: timestamps are as "
            "the clock said, positions as it was"
        )
    if counts["server"] or counts["unmeasured"]:
        notes.append(
            f"times: {counts['page']} measured in the page, {counts['server']} by the server (with the way to it and "
            f"back), {counts['unmeasured']} unknown"
        )
    if study.content.is_trial:
        notes.append("a trial: all responses are marked as synthetic")
    return notes
