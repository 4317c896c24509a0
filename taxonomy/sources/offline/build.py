"""From a list of names and a checklist to a hierarchy and the files beside it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions, from_table
from taxonomy.sources.offline import clements, dwca, ncbi
from taxonomy.sources.offline.archive import fingerprint
from taxonomy.sources.offline.checklist import Checklist
from taxonomy.sources.offline.lookup import ACCEPTED, COMMON, Match, describe, find
from taxonomy.sources.outcome import Outcome, csv_bytes
from taxonomy.sources.subjects import Subject

READERS: Final[dict[str, ModuleType]] = {"ncbi": ncbi, "dwca": dwca, "clements": clements}
EVIDENCE: Final = (
    "class", "level", "taxon", "stands_on", "asked", "answered", "found_as", "id", "rank", "archive", "version",
)  # fmt: skip
REVIEW: Final = ("class", "level", "reviewed", "source", "stands", "reason", "id")
ORDER: Final = (
    "domain", "superkingdom", "kingdom", "subkingdom", "phylum", "subphylum", "superclass", "class", "subclass",
    "infraclass", "superorder", "order", "suborder", "infraorder", "superfamily", "family", "subfamily", "tribe",
    "subtribe", "genus", "subgenus", "species", "subspecies", "variety", "form",
)  # fmt: skip
_NAMED: Final = 5  # classes that a remark names


@dataclass(frozen=True)
class Request:
    """What to build.

    Attributes
    ----------
    subjects
        The classes.
    levels
        Two or more ranks, coarsest first; the finest is the class itself.
    kind, path
        A key of `READERS`, and the archive.
    within
        A taxon: only what is below it counts.
    reading
        What to call the result, how to level gaps, and the command that rebuilds it.
    table
        The file of the classes, for the evidence.
    """

    subjects: Sequence[Subject]
    levels: tuple[str, ...]
    kind: str
    path: Path
    within: str | None
    reading: ImportOptions
    table: str


@dataclass(frozen=True)
class Placed:
    """One class: what it was found as, the taxa above it (ROOT for a gap), and why it is refused, if it is."""

    subject: Subject
    match: Match | None = None
    taxa: tuple[int, ...] = ()
    cells: tuple[str, ...] = ()
    refusal: str | None = None

    @property
    def is_reviewed(self) -> bool:
        """Whether its lineage is that of the reviewed table."""
        return self.subject.reviewed is not None

    @property
    def is_placed(self) -> bool:
        """Whether it has a lineage."""
        return self.is_reviewed or self.refusal is None


def build(request: Request) -> Outcome:
    """Read the archive, find each class, and put the lineages together.

    Raises
    ------
    HiertaxError
        If the archive cannot be read, no taxon has one of the ranks, the lineages have gaps and the policy for
        them is ``error``, or they are no tree.
    """
    reader = READERS[request.kind]
    checklist: Checklist = reader.read(request.path)
    try:
        placed = place(checklist, request.subjects, request.levels, request.within, qualify=request.reading.qualify)
    except HiertaxError as error:
        raise HiertaxError(f"{request.path}: {error}") from None
    refused = [one.subject.name for one in placed if not one.is_placed]
    return Outcome(
        hierarchy=None if refused else _hierarchy(request, checklist, placed, reader.wanted),
        evidence=b"" if refused else csv_bytes(EVIDENCE, _evidence(request, checklist, placed)),
        review=csv_bytes(REVIEW, (row for one in placed for row in _differences(one, request.levels, checklist))),
        refused=refused,
        asked=len(placed),
        remarks=_remarks(placed, request.levels, checklist),
    )


def place(
    checklist: Checklist, subjects: Sequence[Subject], levels: Sequence[str], within: str | None = None,
    *, qualify: bool = False,
) -> list[Placed]:  # fmt: skip
    """Return where each class belongs, in order; a taxon of two homonyms that would become one label is refused.

    Parameters
    ----------
    qualify
        Whether homonyms will be told apart by their parents, so that only those of one parent are refused.

    Raises
    ------
    HiertaxError
        If no taxon has one of the ranks above the finest, or none is called `within`.
    """
    codes = checklist.rank_codes(levels[:-1])
    found = find(checklist, subjects, levels[-1], within)
    at = [i for i, one in enumerate(found) if isinstance(one, Match)]
    taxa, broken = checklist.ancestors(np.array([found[i].taxon for i in at], dtype=np.int64), codes)  # type: ignore[union-attr]
    placed = [Placed(subject, refusal=str(one)) for subject, one in zip(subjects, found, strict=True)]
    for i, line, is_broken in zip(at, taxa.tolist(), broken.tolist(), strict=True):
        match = found[i]
        assert isinstance(match, Match)  # noqa: S101 - for the type checker
        placed[i] = _placed(subjects[i], match, line, is_broken, levels, checklist)
    return _settled(placed, levels, checklist, qualify=qualify)


def _placed(
    subject: Subject, match: Match, line: list[int], is_broken: bool, levels: Sequence[str], checklist: Checklist
) -> Placed:
    above = ["" if taxon < 0 else checklist.name(taxon) for taxon in line]
    own, finest = checklist.rank(match.taxon), levels[-1]
    coarser = match.taxon in line or (own in ORDER and finest in ORDER and ORDER.index(own) < ORDER.index(finest))
    cells = (*above, "" if coarser else subject.label)
    refusal = None
    if is_broken and not all(above):
        refusal = f"an ancestor of {describe(checklist, match.taxon)} is not in the archive"
    elif not any(cells):
        refusal = f"{describe(checklist, match.taxon)} stands above every level"
    return Placed(subject, match, tuple(line), cells, refusal)


def _settled(placed: list[Placed], levels: Sequence[str], checklist: Checklist, *, qualify: bool) -> list[Placed]:
    """Refuse the classes below two taxa of one rank and name: in the hierarchy they would be one label."""
    named: dict[tuple[int, tuple[str, ...]], set[int]] = defaultdict(set)
    for one in placed:
        if one.refusal is None and not one.is_reviewed:
            for k, taxon in enumerate(one.taxa):
                if taxon >= 0:
                    named[_label(one, k, qualify=qualify)].add(taxon)
    clashes = {key: taxa for key, taxa in named.items() if len(taxa) > 1}
    settled = []
    for one in placed:
        keys = [_label(one, k, qualify=qualify) for k in range(len(one.taxa))]
        clash = next((key for key in keys if key in clashes), None)
        if clash and one.refusal is None and not one.is_reviewed:
            k, (*_, name) = clash
            told = " and ".join(describe(checklist, taxon) for taxon in sorted(clashes[clash]))
            cure = (
                "add a level above that tells the two apart" if qualify
                else "tell the two apart by their parents, as `hiertax build --qualify` does"
            )  # fmt: skip
            one = replace(one, refusal=f"the {levels[k]} {name} is two taxa: {told}; {cure}")
        settled.append(one)
    return settled


def _label(one: Placed, k: int, *, qualify: bool) -> tuple[int, tuple[str, ...]]:
    """Return what tells a taxon from others in the hierarchy: its level, its name, and perhaps all names above it."""
    return k, one.cells[: k + 1] if qualify else (one.cells[k],)


def _hierarchy(
    request: Request, checklist: Checklist, placed: Sequence[Placed], wanted: Callable[[str], bool]
) -> Hierarchy:
    kept = [one.subject.name for one in placed if one.is_reviewed]
    digests = fingerprint(request.path, wanted)
    counts = Counter(one.match.kind for one in placed if one.match and not one.is_reviewed)
    source: dict[str, Any] = {
        "kind": "curated" if len(kept) == len(placed) else checklist.kind,
        **request.reading.source,
        "archive": request.path.name,
        "sha256": digests if request.path.is_dir() else digests[request.path.name],
        "version": checklist.version,
        "found_as": dict(sorted(counts.items())),
        **({"within": request.within} if request.within else {}),
        **({"table": request.table, "from_table": kept} if kept else {}),
    }
    root = request.reading.root or _common_taxon(checklist, placed, request.levels)
    lineages = [_lineage(one) for one in placed]
    classes = [one.subject.name for one in placed]
    return from_table(lineages, request.levels, replace(request.reading, root=root, source=source), classes)


def _lineage(one: Placed) -> tuple[str, ...]:
    return one.cells if one.subject.reviewed is None else (*one.subject.reviewed, one.subject.label)


def _common_taxon(checklist: Checklist, placed: Sequence[Placed], levels: Sequence[str]) -> str:
    """Return the nearest taxon with a rank above the coarsest level that all classes share, such as Aves."""
    tops = {next((taxon for taxon in one.taxa if taxon >= 0), one.match.taxon) for one in placed if one.match}
    lines = [checklist.line(taxon) for taxon in tops]
    shared = set(lines[0]).intersection(*lines[1:]) if lines else set()
    for taxon in lines[0] if lines else ():
        rank = checklist.rank(taxon)
        if taxon in shared and rank not in ("", "no rank") and rank not in levels:
            return checklist.name(taxon)
    return "life"


def _evidence(request: Request, checklist: Checklist, placed: Sequence[Placed]) -> Iterable[Sequence[object]]:
    archive = (request.path.name, checklist.version)
    for one in placed:
        subject, asked = one.subject, one.subject.scientific or one.subject.title
        if one.is_reviewed or one.match is None:
            for level, taxon in zip(request.levels, _lineage(one), strict=True):
                yield (subject.name, level, taxon, "reviewed", asked, "", "", "", "", request.table, "")
            continue
        for k, (level, taxon) in enumerate(zip(request.levels, one.cells, strict=True)):
            at = one.taxa[k] if k < len(one.taxa) else one.match.taxon
            if at < 0 or not taxon:
                yield (subject.name, level, "", "gap", asked, "", "", "", "", *archive)
                continue
            how = one.match.kind if at == one.match.taxon else "ancestor"
            yield (
                subject.name, level, taxon, checklist.kind, asked, checklist.name(at), how, checklist.ids[at],
                checklist.rank(at), *archive,
            )  # fmt: skip


def _differences(one: Placed, levels: Sequence[str], checklist: Checklist) -> list[Sequence[object]]:
    """Return the rows of the review of one class: where the archive says otherwise, or nothing usable."""
    reviewed = one.subject.reviewed
    stands = " > ".join(reviewed or ())
    if one.refusal is not None:
        return [(one.subject.name, "", stands, "", stands, one.refusal, "")]
    if reviewed is None:
        return []
    reason = "the reviewed table stands"
    return [
        (one.subject.name, level, ours, theirs, ours, reason, checklist.ids[taxon] if taxon >= 0 else "")
        for level, ours, theirs, taxon in zip(levels, reviewed, one.cells, one.taxa, strict=False)
        if ours != theirs
    ]  # fmt: skip


def _remarks(placed: Sequence[Placed], levels: Sequence[str], checklist: Checklist) -> list[str]:
    """Return a line for everything that a user should know."""
    remarks = []
    for one in placed:
        if one.refusal:
            ending = (
                f"{' > '.join(one.subject.reviewed)} of the table stands" if one.subject.reviewed else "placed nowhere"
            )
            remarks.append(f"{one.subject.name}: {one.refusal}; {ending}")
        else:
            remarks += [
                f"{row[0]}: {row[1]} {row[2]} in the table, {row[3] or 'none'} in the archive; {row[4]} stands"
                for row in _differences(one, levels, checklist)
            ]
    found = [(one, one.match) for one in placed if one.match and one.refusal is None and not one.is_reviewed]
    others = [(one, match) for one, match in found if match.kind not in (ACCEPTED, COMMON)]
    remarks += _counted("found as a synonym", [f"{m.written} is {checklist.name(m.taxon)}" for _, m in others])
    common = [(one, match) for one, match in found if match.kind == COMMON]
    remarks += _counted("found by a common name", [f"{m.written} is {checklist.name(m.taxon)}" for _, m in common])
    ranked = [(one, checklist.rank(match.taxon)) for one, match in found]
    odd = [f"{one.subject.name} ({rank or 'no rank'})" for one, rank in ranked if rank != levels[-1]]
    remarks += _counted(f"of another rank than {levels[-1]}", odd)
    answers = Counter(match.taxon for _, match in found)
    remarks += [f"{describe(checklist, taxon)} answers for {n} classes" for taxon, n in answers.items() if n > 1]
    return remarks


def _counted(what: str, told: Sequence[str]) -> list[str]:
    return [f"{what}: {len(told)}: " + ", ".join(told[:_NAMED]) + ", ..." * (len(told) > _NAMED)] if told else []
