"""The whole question: classes in, a lineage for each out, with every refusal and every difference told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from taxonomy.errors import HierarchyError
from taxonomy.sources.subjects import Subject
from taxonomy.sources.wikipedia.api import Page, Resolved, Wiki
from taxonomy.sources.wikipedia.lineage import (
    Cell,
    IncompleteError,
    RefusedError,
    chain,
    gather,
    lineage,
    links,
)
from taxonomy.sources.wikipedia.taxobox import Taxobox
from taxonomy.sources.wikipedia.templates import PREFIX, follow

MAX_CLIMBS: Final = 4  # from a species' page to its genus's, family's ... page
CONFIRMED: Final = 2  # pages that must agree before they outweigh a reviewed table


@dataclass(frozen=True)
class Placed:
    """One class and what became of it.

    Attributes
    ----------
    subject
        The class.
    resolved
        Where its title led.
    cells
        The taxa above it as Wikipedia states them, coarsest first; empty where it was refused.
    refusal
        Why Wikipedia's statement is not used, if it is not.
    page
        The page that answered, if any.
    incomplete
        Whether it was refused because no page states one of the ranks.
    """

    subject: Subject
    resolved: Resolved
    page: Page | None = None
    cells: tuple[Cell, ...] = ()
    refusal: str | None = None
    incomplete: bool = False

    @property
    def stands_on(self) -> Literal["wikipedia", "reviewed", "nothing"]:
        """What the lineage of this class rests on."""
        if self.refusal is None:
            return "wikipedia"
        return "reviewed" if self.subject.reviewed else "nothing"

    @property
    def taxa(self) -> tuple[str, ...]:
        """The taxa above the class, coarsest first; empty if it is placed nowhere."""
        if self.refusal is None:
            return tuple(cell.name for cell in self.cells)
        return self.subject.reviewed or ()


def survey(subjects: Sequence[Subject], levels: Sequence[str], wiki: Wiki) -> list[Placed]:
    """Ask Wikipedia where each class belongs.

    Parameters
    ----------
    subjects
        The classes.
    levels
        The level names, coarsest first, as the taxoboxes write them; the finest is the class itself.
    wiki
        Whom to ask.

    Returns
    -------
    One `Placed` per subject, in order. A reviewed lineage stands where Wikipedia contradicts itself or
    says nothing, where the reviewer fixed the row, and where fewer than `CONFIRMED` pages differ from it.
    """
    resolved = wiki.resolve(subject.title for subject in subjects)
    wiki.fetch(where.title for where in resolved.values() if not where.problem)
    pages = _climb([page for page in wiki.pages.values() if not page.problem], levels, wiki)
    placed = _place_all(subjects, resolved, levels, wiki, pages)
    if lacking := [p.page for p in placed if p.page and p.incomplete]:
        pages = [*pages, *_templates(lacking, levels, wiki)]
        placed = _place_all(subjects, resolved, levels, wiki, pages)
    return _settle([_reviewed_first(p) for p in placed], levels)


def _place_all(
    subjects: Sequence[Subject], resolved: Mapping[str, Resolved], levels: Sequence[str], wiki: Wiki, pages: list[Page]
) -> list[Placed]:
    facts = gather(pages, chain(levels))
    placed = []
    for subject in subjects:
        where = resolved[subject.title]
        page = None if where.problem else wiki.pages[where.title]
        problem = where.problem or (page.problem if page else None) or (page and _other_taxon(subject, page))
        if page is None or problem:
            placed.append(Placed(subject, where, page, refusal=f"{subject.title!r} {problem}"))
            continue
        try:
            placed.append(Placed(subject, where, page, tuple(lineage(page, levels, facts))))
        except IncompleteError as error:
            placed.append(Placed(subject, where, page, refusal=str(error), incomplete=True))
        except RefusedError as error:
            placed.append(Placed(subject, where, page, refusal=str(error)))
    return placed


def _climb(pages: list[Page], levels: Sequence[str], wiki: Wiki) -> list[Page]:
    """Fetch the pages of the taxa above, so that a second page speaks on every fact; return all pages."""
    everything = {page.title: page for page in pages}
    asked: set[str] = set()
    for _ in range(MAX_CLIMBS):
        above = chain(levels)[1:]  # a page of the coarsest taxon has nothing to say on what is under it
        wanted = sorted({title for page in everything.values() for title in links(page, above)} - asked)
        if not wanted:
            break
        asked.update(wanted)
        titles = [where.title for where in wiki.resolve(wanted).values() if not where.problem]
        wiki.fetch(titles)
        fetched = (wiki.pages[title] for title in titles)
        everything |= {page.title: page for page in fetched if not page.problem}
    return list(everything.values())


def _templates(pages: Sequence[Page], levels: Sequence[str], wiki: Wiki) -> list[Page]:
    """Follow the taxonomy templates from pages that lack a rank; each is a page that states its ancestors.

    The start is the template that the page's box names and the one called like the lowest taxon it
    states; whatever these lead to counts only for taxa of the same rank and name.
    """
    starts: dict[str, None] = {}
    for page in pages:
        lowest = next((page.names(rank) for rank in reversed(chain(levels)) if page.names(rank)), [])
        starts |= dict.fromkeys(filter(None, [page.box.taxonomy, *lowest]))
    unread = set(starts)
    while unread:
        wiki.fetch_taxonomies(sorted(unread))
        ends = {follow(start, wiki.taxonomies.get)[1] for start in starts}
        unread = {key for key in ends if key and key not in wiki.taxonomies}
    found = {}
    for start in starts:
        steps, _ = follow(start, wiki.taxonomies.get)
        for i, (key, own) in enumerate(steps):
            title, rows = PREFIX + key, tuple(row for _, row in steps[i:])
            found[title] = Page(title, wiki.revisions[title], wiki.dates[title], Taxobox(rows), only=own.rank)
    return list(found.values())


def _other_taxon(subject: Subject, page: Page) -> str | None:
    """Return what is wrong if the page is about another species than the class.

    A genus that changed, or an ending that agrees with the new genus, is everyday taxonomy; a page that
    shares neither genus nor epithet is about something else.
    """
    found, wanted = (page.box.binomial or "").split(), subject.scientific.split()
    if len(found) < 2 or len(wanted) < 2 or found[0] == wanted[0]:
        return None
    stems = [word[: max(4, len(word) - 3)] for word in (found[-1], wanted[-1])]
    if stems[0].startswith(stems[1]) or stems[1].startswith(stems[0]):
        return None
    return f"is about {page.box.binomial}, not {subject.scientific}"


def _reviewed_first(placed: Placed) -> Placed:
    """Let a reviewed lineage stand where it was fixed, or where too few pages differ from it."""
    reviewed = placed.subject.reviewed
    if placed.refusal or not reviewed or placed.taxa == reviewed:
        return placed
    if placed.subject.fixed:
        return replace(placed, refusal="fixed by the reviewer")
    genera = [name.split()[0] for name in (placed.subject.scientific, placed.page and placed.page.box.binomial) if name]
    if len(set(genera)) > 1:  # that the class is in this genus is what the page alone says
        return replace(
            placed, refusal=f"only {placed.resolved.title!r} says genus {genera[1]}, which is placed elsewhere"
        )
    lone = [
        cell
        for cell, ours in zip(placed.cells, reviewed, strict=True)
        if cell.name != ours and cell.agreeing < CONFIRMED
    ]
    if lone:
        return replace(placed, refusal=f"only {lone[0].page.title!r} says {lone[0].rank} {lone[0].name}")
    return placed


def _settle(placed: list[Placed], levels: Sequence[str]) -> list[Placed]:
    """Refuse classes whose lineages, put together, would give a taxon two parents."""
    while clash := _two_parents(placed):
        k, name = clash
        reason = f"the {levels[k]} {name} would have two parents"
        involved = [p.refusal is None and p.taxa[k] == name for p in placed]
        if not any(involved):
            raise HierarchyError(f"the reviewed table gives the {levels[k]} {name!r} two parents; correct the table")
        placed = [replace(p, refusal=reason) if hit else p for p, hit in zip(placed, involved, strict=True)]
    return placed


def _two_parents(placed: Sequence[Placed]) -> tuple[int, str] | None:
    """Return level index and name of the first taxon with two parents."""
    parents: dict[tuple[int, str], str] = {}
    for taxa in (p.taxa for p in placed if p.taxa):
        for k in range(1, len(taxa)):
            if parents.setdefault((k, taxa[k]), taxa[k - 1]) != taxa[k - 1]:
                return k, taxa[k]
    return None
