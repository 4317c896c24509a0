"""From what pages state to a lineage per class. Pure: a contradiction is found and reported, never settled.

A *fact* is that a taxon has a certain ancestor at a certain rank; each page states several. Where two
pages state different ancestors, every class that rests on the fact is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from taxonomy.sources.wikipedia.api import Page

KINGDOM: Final = "kingdom"
GENUS: Final = "genus"
Fact = tuple[str, str, str]  # rank and name of a taxon, rank of the ancestor
Facts = Mapping[Fact, Mapping[str, Sequence[Page]]]  # the ancestors stated, and by whom


@dataclass(frozen=True)
class Cell:
    """One taxon of a lineage, a page that states it, and how many pages agree that it is the next taxon's parent."""

    rank: str
    name: str
    page: Page
    agreeing: int


class RefusedError(ValueError):
    """A class that Wikipedia does not place without doubt; the text says why."""


class IncompleteError(RefusedError):
    """A class without one of its ranks, on the pages read so far."""


def chain(levels: Sequence[str]) -> tuple[str, ...]:
    """Return the ranks to cross-check, coarsest first: the levels above the finest, and the genus of a species."""
    above = tuple(levels[:-1])
    return (*above, GENUS) if levels[-1] == "species" and GENUS not in above else above


def gather(pages: Iterable[Page], ranks: Sequence[str]) -> Facts:
    """Collect every fact that pages state about taxa of these ranks (coarsest first) and about their kingdom."""
    facts: dict[Fact, dict[str, list[Page]]] = defaultdict(lambda: defaultdict(list))
    order = (KINGDOM, *(rank for rank in ranks if rank != KINGDOM))
    for page in pages:
        for upper, lower in combinations(order, 2):
            if page.only not in (None, lower):
                continue
            for name in page.names(lower):
                for ancestor in page.names(upper):
                    facts[lower, name, upper][ancestor].append(page)
    return facts


def links(page: Page, ranks: Sequence[str]) -> list[str]:
    """Return the titles that a page's taxobox links to at these ranks: where its ancestors are described."""
    return [row.page for row in page.box.rows if row.page and row.rank in ranks]


def lineage(page: Page, levels: Sequence[str], facts: Facts) -> list[Cell]:
    """Return the taxa above a class, coarsest first, with who states them.

    Parameters
    ----------
    page
        The page of the class.
    levels
        The level names, coarsest first; the finest is the class itself.
    facts
        What all pages state, from `gather` over ``chain(levels)``.

    Raises
    ------
    IncompleteError
        If no page states one of the ranks.
    RefusedError
        If a page states two taxa of one rank or an impossible one, or two pages disagree on a fact of this
        lineage.
    """
    ranks = chain(levels)
    known = {rank: _single(page, rank) for rank in (KINGDOM, *ranks)}
    for i in reversed(range(len(ranks))):
        if known[ranks[i]] is None:
            known[ranks[i]] = _inherited(ranks[i], ranks[i + 1 :], known, facts, page)
    for rank in levels[:-1]:
        if known[rank] is None:
            raise IncompleteError(f"{page.title!r} states no {rank}, nor does a page above it")
    _plausible(page, known)
    for lower, upper in _pairs(ranks):
        _agree(lower, upper, known, facts, page)
    return [_cell(i, ranks, known, facts, page) for i in range(len(levels) - 1)]


def _single(page: Page, rank: str) -> str | None:
    names = page.names(rank)
    if len(names) > 1:
        raise RefusedError(f"{page.title!r} contradicts itself: {rank} {' and '.join(names)}")
    return names[0] if names else None


def _plausible(page: Page, known: Mapping[str, str | None]) -> None:
    """Refuse what cannot be, though a single page states it.

    The names of animal families, and only these, end in -idae (ICZN, article 29.2); a binomial begins
    with its genus.
    """
    family, order, genus = (known.get(rank) for rank in ("family", "order", GENUS))
    if family and known[KINGDOM] == "Animalia" and not family.endswith("idae"):
        raise RefusedError(f"{page.title!r}: {family} is no name of an animal family")
    if order and order.endswith(("idae", "aceae")):
        raise RefusedError(f"{page.title!r}: {order} is the name of a family, not of an order")
    if genus and page.box.binomial and page.box.binomial.split()[0] != genus:
        raise RefusedError(f"{page.title!r} contradicts itself: genus {genus}, binomial name {page.box.binomial}")


def _inherited(
    rank: str, below: Sequence[str], known: Mapping[str, str | None], facts: Facts, page: Page
) -> str | None:
    """Return the taxon of a missing rank as the pages of the nearest lower taxon state it."""
    for lower in below:
        name = known[lower]
        stated = _stated(lower, name, rank, facts, known, page) if name else {}
        if len(stated) > 1:
            raise RefusedError(_contradiction(lower, str(name), rank, stated))
        if stated:
            return next(iter(stated))
    return None


def _pairs(ranks: Sequence[str]) -> list[tuple[str, str]]:
    return [(lower, upper) for upper, lower in combinations((KINGDOM, *(r for r in ranks if r != KINGDOM)), 2)]


def _agree(lower: str, upper: str, known: Mapping[str, str | None], facts: Facts, page: Page) -> None:
    name = known[lower]
    stated = _stated(lower, name, upper, facts, known, page) if name else {}
    others = stated.keys() - {known[upper]} if known[upper] else ()
    if len(stated) > 1 or others:
        raise RefusedError(_contradiction(lower, str(name), upper, stated))


def _stated(
    lower: str, name: str | None, upper: str, facts: Facts, known: Mapping[str, str | None], page: Page
) -> dict[str, Sequence[Page]]:
    """Return the ancestors stated of a taxon; a genus of another kingdom with the same name is another genus."""
    stated = facts.get((lower, name or "", upper), {})
    if lower != GENUS or not known[KINGDOM]:
        return dict(stated)
    kept: dict[str, Sequence[Page]] = {}
    for ancestor, pages in stated.items():
        same = [
            other for other in pages if other is page or known[KINGDOM] in (other.names(KINGDOM) or [known[KINGDOM]])
        ]
        if same:
            kept[ancestor] = same
    return kept


def _contradiction(lower: str, name: str, upper: str, stated: Mapping[str, Sequence[Page]]) -> str:
    sides = [f"{ancestor} ({_who(pages)})" for ancestor, pages in sorted(stated.items())]
    return f"pages contradict each other on the {upper} of {lower} {name}: {' or '.join(sides)}"


def _who(pages: Sequence[Page]) -> str:
    rest = f" and {len(pages) - 1} more" if len(pages) > 1 else ""
    return f"{pages[0].title!r}{rest}"


def _cell(i: int, ranks: Sequence[str], known: Mapping[str, str | None], facts: Facts, page: Page) -> Cell:
    rank, name = ranks[i], str(known[ranks[i]])
    below = (_stated(lower, known[lower], rank, facts, known, page) for lower in ranks[i + 1 :])
    stating = next((pages for stated in below if (pages := stated.get(name))), ())
    own = name in page.names(rank)
    # fewest ranks: the page of the taxon below itself, not that of a distant cousin
    witness = page if own else min(stating, key=lambda other: sum(bool(other.names(r)) for r in ranks))
    return Cell(rank, name, witness, max(len({other.title for other in stating}), int(own)))
