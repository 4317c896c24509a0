"""Questions to the Action API and the shape of its answers (``format=json``, ``formatversion=2``).

Documented at https://www.mediawiki.org/wiki/API:Query and https://www.mediawiki.org/wiki/API:Parsing_wikitext.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from taxonomy.sources.wikipedia.cache import Answers
from taxonomy.sources.wikipedia.taxobox import Taxobox, UnreadableError, read_taxobox
from taxonomy.sources.wikipedia.templates import PREFIX, Taxonomy, read_taxonomy

BATCH: Final = 50  # titles in one action=query, the limit for everybody
BATCH_BYTES: Final = 6000  # of encoded titles, so that no server finds the address too long
SET_INDEX: Final = ("Category:All set index articles", "Category:Set index articles")
_MAX_PARTS: Final = 20  # continuations of one query
_ILLEGAL_TITLE = re.compile(r"[\x00-\x1f\x7f#<>\[\]{}|\ufffd]")
T = TypeVar("T")


class _Mapped(msgspec.Struct, rename={"from_": "from"}):
    from_: str
    to: str
    tofragment: str = ""
    tointerwiki: str = ""


class _Interwiki(msgspec.Struct):
    title: str


class _Category(msgspec.Struct):
    title: str


class _Slot(msgspec.Struct):
    content: str = ""


class _Revision(msgspec.Struct):
    revid: int
    slots: dict[str, _Slot] = {}


class _QueryPage(msgspec.Struct):
    title: str = ""
    ns: int = 0
    missing: bool = False
    invalid: bool = False
    special: bool = False
    pageprops: dict[str, Any] = {}
    categories: list[_Category] = []
    revisions: list[_Revision] = []


class _Query(msgspec.Struct):
    pages: list[_QueryPage] = []
    normalized: list[_Mapped] = []
    converted: list[_Mapped] = []
    redirects: list[_Mapped] = []
    interwiki: list[_Interwiki] = []


class _Error(msgspec.Struct):
    code: str
    info: str = ""


class _QueryAnswer(msgspec.Struct, rename={"continue_": "continue"}):
    query: _Query
    continue_: dict[str, Any] = {}


class _Parse(msgspec.Struct):
    title: str
    revid: int
    text: str
    redirects: list[_Mapped] = []


class _ParseAnswer(msgspec.Struct):
    parse: _Parse | None = None
    error: _Error | None = None

    def __post_init__(self) -> None:
        if self.parse is None and self.error is None:
            raise ValueError("neither `parse` nor `error` in it")


@dataclass(frozen=True)
class Resolved:
    """Where a title leads: to the page called `title`, or nowhere, for the reason in `problem`."""

    asked: str
    title: str
    problem: str | None = None


@dataclass(frozen=True)
class Page:
    """What one page, at one revision, states.

    Attributes
    ----------
    title, revision, fetched
        Which page, and when it was read.
    box
        The rows of its taxobox, or of the ancestors that a taxonomy template leads to.
    problem
        Why it states nothing, if so.
    only
        The one rank of whose taxon it speaks, where its other rows only repeat other pages.
    """

    title: str
    revision: int = 0
    fetched: str = ""
    box: Taxobox = field(default_factory=lambda: Taxobox(()))
    problem: str | None = None
    only: str | None = None

    def names(self, rank: str) -> list[str]:
        """Return the different taxa that the page states at a rank; more than one contradict each other."""
        if rank == "species" and self.box.binomial:
            return [self.box.binomial]  # the row itself abbreviates the genus
        return list(dict.fromkeys(row.name for row in self.box.rows if row.rank == rank))


@dataclass
class Wiki:
    """Pages by title, each asked for once.

    Attributes
    ----------
    answers
        The API behind its cache.
    tick
        Told after each answer: what is being fetched, how many are done, and how many there are.
    pages, taxonomies
        What has been read so far, by title and by taxonomy key.
    revisions, dates
        The revision of every page read, and when it was fetched.
    """

    answers: Answers
    tick: Callable[[str, int, int], None] = lambda *_: None
    pages: dict[str, Page] = field(default_factory=dict)
    taxonomies: dict[str, Taxonomy | None] = field(default_factory=dict)
    revisions: dict[str, int] = field(default_factory=dict)
    dates: dict[str, str] = field(default_factory=dict)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self.answers.client:
            self.answers.client.close()

    def resolve(self, titles: Iterable[str]) -> dict[str, Resolved]:
        """Look titles up, 50 at a time: redirects, missing, disambiguation and set-index pages."""
        wanted = list(dict.fromkeys(titles))
        found = {title: Resolved(title, title, problem) for title in wanted if (problem := _title_problem(title))}
        left = [title for title in wanted if title not in found]
        for batch in _batches(left):
            query, _ = self._query(
                batch,
                prop="pageprops|categories", ppprop="disambiguation", clcategories="|".join(SET_INDEX),
                cllimit="max", redirects="1",
            )  # fmt: skip
            found |= {title: _resolve(title, query) for title in batch}
            self.tick("titles", len(found), len(wanted))
        return found

    def fetch(self, titles: Iterable[str]) -> None:
        """Fetch the pages that are not yet in `pages`, one by one."""
        wanted = [title for title in dict.fromkeys(titles) if title not in self.pages]
        for i, title in enumerate(wanted):
            self.pages[title] = self._page(title)
            self.tick("pages", i + 1, len(wanted))

    def fetch_taxonomies(self, keys: Iterable[str]) -> None:
        """Fetch ``Template:Taxonomy/`` pages, 50 at a time, into `taxonomies`; None where there is none."""
        wanted = [key for key in dict.fromkeys(keys) if key not in self.taxonomies]
        for batch in _batches([PREFIX + key for key in wanted if not _title_problem(key)]):
            query, fetched = self._query(batch, prop="revisions", rvprop="ids|content", rvslots="main", redirects="1")
            for title in batch:
                for revision in (r for page in _pages_of(title, query) for r in page.revisions):
                    content = revision.slots["main"].content if "main" in revision.slots else ""
                    self.taxonomies[title.removeprefix(PREFIX)] = read_taxonomy(content)
                    self._note(title, revision.revid, fetched)
        for key in wanted:
            self.taxonomies.setdefault(key, None)
        self.tick("taxonomy templates", len(self.taxonomies), len(self.taxonomies))

    def page_url(self, title: str) -> str:
        """Return the address of a page at the revision that was read."""
        index = re.sub(r"api\.php$", "index.php", self.api_url)
        return f"{index}?title={quote(title.replace(' ', '_'), safe='/:')}&oldid={self.revisions[title]}"

    @property
    def api_url(self) -> str:
        """The API's address, as the evidence names it."""
        return self.answers.api_url

    def _page(self, title: str) -> Page:
        answer, fetched = self._ask(
            _ParseAnswer, action="parse", page=title, prop="text|revid", section="0", redirects="1",
            disablelimitreport="1", disableeditsection="1",
        )  # fmt: skip
        if answer.parse is None:
            return Page(title, problem=_error_problem(answer.error))
        parse = answer.parse
        if any(redirect.tofragment for redirect in parse.redirects):
            return Page(title, problem=f"leads to a section of {parse.title!r}")
        if not parse.redirects and parse.title.replace("_", " ") != title.replace("_", " "):
            return Page(title, problem=f"is answered with another page, {parse.title!r}")
        self._note(parse.title, parse.revid, fetched)
        try:
            return Page(parse.title, parse.revid, fetched, read_taxobox(parse.text))
        except UnreadableError as error:
            return Page(parse.title, parse.revid, fetched, problem=str(error))

    def _note(self, title: str, revision: int, fetched: str) -> None:
        self.revisions[title] = revision
        self.dates[title] = fetched

    def _query(self, titles: Sequence[str], **parameters: str) -> tuple[_Query, str]:
        """Ask action=query about titles, with all its continuations, as one answer."""
        whole = _Query()
        more: dict[str, str] = {}
        for _ in range(_MAX_PARTS):
            answer, fetched = self._ask(_QueryAnswer, action="query", titles="|".join(titles), **parameters, **more)
            for name in _Query.__struct_fields__:
                getattr(whole, name).extend(getattr(answer.query, name))
            more = {str(key): str(value) for key, value in answer.continue_.items()}
            if not more:
                break
        return whole, fetched

    def _ask(self, shape: type[T], **parameters: str) -> tuple[T, str]:
        return self.answers.get({**parameters, "format": "json", "formatversion": "2"}, shape)


def _resolve(asked: str, query: _Query) -> Resolved:
    """Follow one title through an answer: spelling, then redirects, then what the page is."""
    if any(other.title == asked for other in query.interwiki):
        return Resolved(asked, asked, "is a page of another wiki")
    redirects = {step.from_: step for step in query.redirects}
    title, seen = _spelling(asked, query), set[str]()
    while step := redirects.get(title):
        if title in seen:
            return Resolved(asked, title, "redirects in a circle")
        if step.tointerwiki:
            return Resolved(asked, title, "redirects to another wiki")
        if step.tofragment:
            return Resolved(asked, step.to, f"leads to a section of {step.to!r}")
        seen.add(title)
        title = step.to
    parts = _pages_of(title, query)
    return Resolved(asked, title, _page_problem(parts) if parts else "has no page")


def _spelling(asked: str, query: _Query) -> str:
    for mapped in (*query.normalized, *query.converted):
        if mapped.from_ == asked:
            asked = mapped.to
    return asked


def _pages_of(title: str, query: _Query) -> list[_QueryPage]:
    """Return what an answer says of the page that a title leads to: one part per continuation."""
    title = _spelling(title, query)
    redirects = {step.from_: step.to for step in query.redirects}
    for _ in redirects:
        title = redirects.get(title, title)
    return [page for page in query.pages if page.title == title]


def _page_problem(parts: list[_QueryPage]) -> str | None:
    if any(page.invalid for page in parts):
        return "is no valid title"
    if any(page.missing or page.special for page in parts):
        return "has no page"
    if any(page.ns for page in parts):
        return "is no article"  # a user's or a talk page may say anything
    if any("disambiguation" in page.pageprops for page in parts):
        return "is a disambiguation page"
    if any(category.title in SET_INDEX for page in parts for category in page.categories):
        return "is a set-index page"
    return None


def _title_problem(title: str) -> str | None:
    if not title.strip() or _ILLEGAL_TITLE.search(title) or len(title.encode()) > 255:
        return "is no valid title"
    return None


def _error_problem(error: _Error | None) -> str:
    if error is None:
        return "has no page"
    return {"missingtitle": "has no page", "too-large": f"is {error.info}"}.get(error.code, "is no valid title")


def _batches(titles: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for title in titles:
        length = len(quote(title)) + 3
        if batch and (len(batch) == BATCH or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(title)
        size += length
    if batch:
        yield batch
