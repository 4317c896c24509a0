"""From a survey of Wikipedia to a hierarchy and the files beside it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import join, quote
from typing import Any, Final
from urllib.parse import urlsplit

from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import Hierarchy
from taxonomy.sources import curated
from taxonomy.sources.outcome import Outcome
from taxonomy.sources.subjects import Subject, from_table, read_names
from taxonomy.sources.wikipedia import report
from taxonomy.sources.wikipedia.api import Wiki
from taxonomy.sources.wikipedia.cache import Answers, claim
from taxonomy.sources.wikipedia.client import WIKIPEDIA, Client
from taxonomy.sources.wikipedia.survey import Placed, survey

_NAMED: Final = 5  # taxa that a remark names


@dataclass(frozen=True)
class Request:
    """What to build: the classes, the levels (coarsest first), and what to call the result."""

    subjects: Sequence[Subject]
    levels: tuple[str, ...]
    name: str
    command: str
    dataset: str | None = None
    root: str | None = None
    table: str = ""


@dataclass(frozen=True)
class Built(Outcome):
    """What became of the classes, each with the pages that it rests on."""

    placed: Sequence[Placed] = field(repr=False)


def of_dataset(dataset: str) -> Request:
    """Return the request for a dataset whose reviewed table names the pages to ask.

    Raises
    ------
    HiertaxError
        If its table names none.
    """
    table = curated.TABLES.get(dataset)
    rows = curated.read_table(f"{table.dataset}.csv") if table and not table.published else []
    if not table or not rows or "wikipedia_title" not in rows[0]:
        raise HiertaxError(f"dataset {dataset!r} is not described by Wikipedia pages; leave out --source wikipedia")
    where = f"taxonomy/data/{table.dataset}.csv"
    subjects = from_table(rows, table.levels, where)
    command = f"hiertax build --dataset {dataset} --source wikipedia"
    return Request(subjects, table.levels, table.name, command, table.dataset, table.root, where)


def of_names(path: Path, levels: Sequence[str], name: str | None = None, root: str | None = None) -> Request:
    """Return the request for a user's own list of names.

    Parameters
    ----------
    path
        The list, see `read_names`.
    levels
        Two or more ranks, coarsest first, in lower case as the taxoboxes label them.
    name, root
        What to call the hierarchy (the file's name if not given), and what every class is (the nearest
        taxon that all pages share).

    Raises
    ------
    HiertaxError
        If the list cannot be read.
    """
    words = ["hiertax", "build", "--names", path.name, "--levels", ",".join(levels)]
    words += ["--name", name] if name else []
    words += ["--root-label", root] if root else []
    return Request(
        read_names(path, levels), tuple(levels), name or path.stem, join(words), root=root, table=path.name
    )  # fmt: skip


def cache_folder(api_url: str | None) -> Path:
    """Return where answers are kept unless the user says otherwise: the user's cache, by the API's host."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    host = urlsplit(api_url or WIKIPEDIA).netloc.replace(":", "_") or "unknown"
    return Path(base) / "hiertax" / "wikipedia" / host


def open_wiki(
    folder: Path,
    api_url: str | None,
    contact: str | None,
    tick: Callable[[str, int, int], None] = lambda *_: None,
    notice: Callable[[str], None] = lambda _: None,
    **client: Any,
) -> Wiki:
    """Open the API behind its cache; without a contact no request is made."""
    api_url = claim(folder, api_url, offline=contact is None)
    asker = Client(api_url, contact, notice=notice, **client) if contact is not None else None
    return Wiki(Answers(folder, api_url, asker), tick)


def build(request: Request, wiki: Wiki) -> Built:
    """Ask Wikipedia where each class belongs, and put the answers together.

    Returns
    -------
    The hierarchy, or None where classes are placed nowhere (the review and the remarks say why).

    Raises
    ------
    HiertaxError
        If the network or the cache fails; what has been fetched stays in the cache.
    """
    placed = survey(request.subjects, request.levels, wiki)
    whole = all(one.taxa for one in placed)
    return Built(
        hierarchy=_hierarchy(request, placed, wiki) if whole else None,
        evidence=report.evidence(placed, request.levels, wiki, request.table) if whole else b"",
        review=report.review(placed, request.levels, wiki),
        refused=[one.subject.name for one in placed if not one.taxa],
        asked=len(placed),
        placed=placed,
        remarks=_remarks(placed, request.levels, wiki),
    )


def _hierarchy(request: Request, placed: Sequence[Placed], wiki: Wiki) -> Hierarchy:
    kept = [one.subject.name for one in placed if one.stands_on == "reviewed"]
    api = {} if wiki.api_url == WIKIPEDIA else {"api": wiki.api_url}
    source = {
        "kind": "curated" if len(kept) == len(placed) else "wikipedia",
        "command": request.command + (f" --api-url {quote(wiki.api_url)}" if api else ""),
        **api,
        "fetched": max(wiki.dates.values(), default=""),
        **({"table": request.table, "from_table": kept} if kept else {}),
        "revisions": dict(sorted(wiki.revisions.items())),
    }
    return Hierarchy.from_lineages(
        [[*one.taxa, one.subject.label] for one in placed],
        request.levels,
        classes=[one.subject.name for one in placed],
        name=request.name,
        dataset=request.dataset,
        root=request.root or _common_taxon(placed, request.levels),
        source=source,
    )


def _common_taxon(placed: Sequence[Placed], levels: Sequence[str]) -> str:
    """Return the nearest taxon above the coarsest level that all pages state, such as Aves; else ``life``."""
    above = []
    for page in (one.page for one in placed if one.page):
        ranks = [row.rank for row in page.box.rows]
        top = ranks.index(levels[0]) if levels[0] in ranks else 0
        above.append([row.name for row in page.box.rows[:top]])
    above = [names for names in above if names]
    shared = [name for name in above[0] if all(name in names for names in above)] if above else []
    return shared[-1] if shared else "life"


def _remarks(placed: Sequence[Placed], levels: Sequence[str], wiki: Wiki) -> list[str]:
    """Return a line for everything that a user should know: refusals, differences, pages asked twice."""
    remarks = []
    for one in placed:
        if one.refusal:
            ending = f"{' > '.join(one.taxa)} of the reviewed table stands" if one.taxa else "placed nowhere"
            remarks.append(f"{one.subject.name}: {one.refusal}; {ending}")
        else:
            remarks += [
                f"{one.subject.name}: {row[1]} {row[2]} in the reviewed table, {row[3]} on Wikipedia; {row[4]} stands"
                for row in report.differences(one, levels, wiki)
                if row[1] != "scientific_name"
            ]
    alone = {
        (cell.rank, cell.name) for one in placed if not one.subject.reviewed for cell in one.cells if cell.agreeing == 1
    }
    if alone:
        names = ", ".join(f"{rank} {name}" for rank, name in sorted(alone)[:_NAMED])
        remarks.append(
            f"stated by one page alone (pages_agreeing in the evidence): {names}" + ", ..." * (len(alone) > _NAMED)
        )
    pages = Counter(one.page.title for one in placed if one.page)
    remarks += [f"{title!r} answers for {count} classes" for title, count in pages.items() if count > 1]
    return remarks
