"""Whatever one page lies about, no lineage that is accepted is wrong, and the order of pages does not matter."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxonomy.sources.wikipedia.api import Page
from taxonomy.sources.wikipedia.lineage import RefusedError, chain, gather, lineage, links
from taxonomy.sources.wikipedia.taxobox import Row, Taxobox

LEVELS = ("order", "family", "species")
ORDERS = {"Faidae": "Oa", "Fbidae": "Oa", "Fcidae": "Ob", "Fdidae": "Oc"}
FAMILIES = {"Ga": "Faidae", "Gb": "Faidae", "Gc": "Fbidae", "Gd": "Fcidae", "Ge": "Fdidae"}
SPECIES = {f"{genus.lower()} {i}": genus for genus in FAMILIES for i in range(2)}


@dataclass(frozen=True)
class Truth:
    genus: str

    @property
    def rows(self) -> dict[str, str]:
        family = FAMILIES[self.genus]
        return {"kingdom": "Animalia", "order": ORDERS[family], "family": family, "genus": self.genus}


def page(title: str, rows: dict[str, str]) -> Page:
    return Page(title, 1, "now", Taxobox(tuple(Row(rank, name) for rank, name in rows.items())))


def upper_pages() -> list[Page]:
    genera = [page(genus, Truth(genus).rows) for genus in FAMILIES]
    families = [page(f, {"kingdom": "Animalia", "order": o, "family": f}) for f, o in ORDERS.items()]
    return genera + families


def place(pages: list[Page], one: Page) -> tuple[str, ...] | str:
    try:
        return tuple(cell.name for cell in lineage(one, LEVELS, gather(pages, chain(LEVELS))))
    except RefusedError as error:
        return str(error).split(" (")[0]


omitted = st.sets(st.sampled_from(["kingdom", "order", "family"]))
lies = st.sampled_from(
    [("order", name) for name in {*ORDERS.values(), "Ox"}] + [("family", name) for name in (*ORDERS, "Fxidae")]
    + [("genus", name) for name in (*FAMILIES, "Gx")] + [("kingdom", "Plantae")]
)  # fmt: skip


@given(st.lists(omitted, min_size=len(SPECIES), max_size=len(SPECIES)), st.lists(lies, max_size=3), st.randoms())
@settings(max_examples=150, deadline=None)
def test_no_lie_of_a_species_page_is_accepted(
    omissions: list[set[str]], told: list[tuple[str, str]], random: object
) -> None:
    pages = {}
    for (species, genus), missing in zip(SPECIES.items(), omissions, strict=True):
        rows = Truth(genus).rows
        if species == "gc 0":
            rows |= dict(told)
        pages[species] = page(species, {rank: name for rank, name in rows.items() if rank not in missing})
    everything = [*pages.values(), *upper_pages()]
    shuffled = list(everything)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for species, one in pages.items():
        found = place(everything, one)
        genus = one.names("genus")[0]
        if isinstance(found, tuple) and genus in FAMILIES:
            assert found == (Truth(genus).rows["order"], Truth(genus).rows["family"]), species
        assert found == place(shuffled, one)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"kingdom": "Animalia", "order": "Oa", "family": "Oa"}, "Oa is no name of an animal family"),
        ({"kingdom": "Plantae", "order": "Oa", "family": "Oaceae"}, ""),
        ({"kingdom": "Animalia", "order": "Laridae", "family": "Laridae"}, "Laridae is the name of a family"),
    ],
)
def test_a_name_of_another_rank_is_refused(rows: dict[str, str], said: str) -> None:
    one = page("x", rows)
    assert said in str(place([one], one))


def test_a_binomial_is_of_its_genus() -> None:
    rows = tuple(Row(rank, name) for rank, name in Truth("Ga").rows.items())
    one = Page("x", 1, "now", Taxobox(rows, binomial="Gb alba"))
    assert place([one], one) == "'x' contradicts itself: genus Ga, binomial name Gb alba"


def test_what_everybody_leaves_out_is_missing() -> None:
    one = page("x", {"genus": "Ga", "family": "Faidae"})
    assert place([one], one) == "'x' states no order, nor does a page above it"


def test_a_rank_comes_from_the_nearest_taxon_that_has_it() -> None:
    one = page("x", {"genus": "Ga"})
    cells = lineage(one, LEVELS, gather([one, *upper_pages()], chain(LEVELS)))
    assert [(cell.name, cell.page.title, cell.agreeing) for cell in cells] == [("Oa", "Faidae", 3), ("Faidae", "Ga", 1)]


def test_a_page_that_only_speaks_of_one_taxon_states_nothing_on_others() -> None:
    template = Page(
        "T", 1, "now", Taxobox((Row("genus", "Ga"), Row("family", "Faidae"), Row("order", "Oa"))), only="genus"
    )
    facts = gather([template], ("order", "family", "genus"))
    assert ("genus", "Ga", "order") in facts
    assert ("family", "Faidae", "order") not in facts


@pytest.mark.parametrize(
    ("levels", "ranks"),
    [
        (LEVELS, ("order", "family", "genus")),
        (("family", "genus", "species"), ("family", "genus")),
        (("class", "order"), ("class",)),
    ],
)
def test_the_ranks_that_are_cross_checked(levels: tuple[str, ...], ranks: tuple[str, ...]) -> None:
    assert chain(levels) == ranks


def test_links_lead_to_the_pages_above() -> None:
    box = Taxobox((Row("order", "Oa", "Oa"), Row("family", "Faidae", "Fa birds"), Row("genus", "Ga")))
    assert links(Page("x", box=box), ("family", "genus")) == ["Fa birds"]
