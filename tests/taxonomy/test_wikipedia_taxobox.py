"""What a page states, read from markup of 2009 and of today, and from markup that means harm."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taxonomy.sources.wikipedia.taxobox import Taxobox, UnreadableError, read_taxobox
from taxonomy.sources.wikipedia.templates import Taxonomy, english_rank, follow, read_taxonomy

DATA = Path(__file__).parents[1] / "data" / "wikipedia"
REAL = Path(__file__).parents[2].parent / "shared" / "data" / "wikipedia"


def box(page: str) -> Taxobox:
    return read_taxobox((DATA / f"{page}.html").read_text(encoding="utf-8"))


def ranks(page: str) -> dict[str, str]:
    return {row.rank: row.name for row in box(page).rows if row.rank != "clade"}


def cell(html: str, label: str = "Order:") -> list[tuple[str, str | None]]:
    """Read one row of a box."""
    rows = read_taxobox(f'<table class="infobox biota"><tr><td>{label}</td><td>{html}</td></tr></table>').rows
    return [(row.name, row.page) for row in rows]


def test_markup_of_today() -> None:
    gull = box("Ring-billed gull")
    assert [str(row) for row in gull.rows] == [
        "Kingdom: Animalia", "Phylum: Chordata", "Class: Aves", "Clade: Neoaves", "Clade: Elementaves",
        "Order: Charadriiformes", "Suborder: Lari", "Family: Laridae", "Genus: Larus", "Species: L. delawarensis",
    ]  # fmt: skip
    assert (gull.binomial, gull.taxonomy) == ("Larus delawarensis", "Larus")
    assert [row.page for row in gull.rows if row.rank == "class"] == ["Bird"]


def test_markup_of_2009() -> None:
    expected = {
        "kingdom": "Animalia",
        "class": "Aves",
        "family": "Laridae",
        "genus": "Rissa",
        "species": "R. brevirostris",
    }
    assert ranks("Red-legged kittiwake") == expected
    assert ranks("Laridae")["family"] == "Laridae"
    assert box("Laridae").taxonomy is None


def test_a_taxon_on_its_own_page_has_no_link_and_its_author_is_not_the_taxon() -> None:
    genus = next(row for row in box("Larus").rows if row.rank == "genus")
    assert (genus.name, genus.page) == ("Larus", None)


@pytest.mark.parametrize(
    ("html", "read"),
    [
        ('<a href="/wiki/Lari">Lari</a>', ("Lari", "Lari")),
        ('<a href="/wiki/Riparia_(bird)"><i>Riparia</i></a>', ("Riparia", "Riparia (bird)")),
        ('<a href="/wiki/%C3%84lf">Lari</a>', ("Lari", "Älf")),
        ('<a href="/wiki/Gull#Taxonomy">Lari</a>', ("Lari", None)),
        ('<a href="/w/index.php?title=Lari&action=edit&redlink=1" class="new">Lari</a>', ("Lari", None)),
        ('<a href="https://example.org/wiki/Lari">Lari</a>', ("Lari", None)),
        ('<a class="mw-selflink selflink">Lari</a>', ("Lari", None)),
        ('†<a href="/wiki/Lari">Lari</a>', ("Lari", "Lari")),
        ('<a href="/wiki/Lari">†&nbsp;Lari</a>', ("Lari", "Lari")),
        ('<a href="/wiki/Lari">Lari</a>&#160;<sup class="reference"><a href="#1">[1]</a></sup>', ("Lari", "Lari")),
        ("<b>Lari</b><br><small>Sharpe, 1891</small>", ("Lari", None)),
        ("<b>Lari</b><br>Sharpe, 1891", ("Lari", None)),
        ("<span><b>Lari</b><br></span>", ("Lari", None)),
        ('<style>.x{}</style><a href="/wiki/Lari">Lari</a><!-- or Scolopaci -->', ("Lari", "Lari")),
        ('<div><span>Lari</span></div>', ("Lari", None)),
        ('<a href="/wiki/File:X.jpg"><img src="x"></a>Lari', None),
        ('<a href="/wiki/Lari">Lari</a> or <a href="/wiki/Scolopaci">Scolopaci</a>', None),
        ('<a href="/wiki/Lari">Lari</a>, disputed', None),
        ('<a href="/wiki/Lari">Lari</a>?', None),
        ("?Lari", None),
        ('"Lari"', None),
        ("<i><a href='/wiki/Incertae_sedis'>incertae sedis</a></i>", None),
        ("see text", None),
        ("Lari Sharpe", None),
        ("Lari (Sharpe)", None),
        ("1891", None),
        ("", None),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", None),
        ("<script>Lari</script>", None),
        ("=Lari()", None),
        ("L" * 101, None),
    ],
)  # fmt: skip
def test_a_cell_states_one_plain_taxon_or_nothing(html: str, read: tuple[str, str | None] | None) -> None:
    assert cell(html) == ([read] if read else [])


def test_rows_are_found_by_label_wherever_they_stand() -> None:
    assert cell("Lari", label="Order") == []
    assert cell("Lari", label="<i>(Order)</i>:&nbsp;") == [("Lari", None)]


def test_markup_of_the_new_parser() -> None:
    data = """{"parts":[{"template":{"params":{"image":{"wt":"x.jpg<ref>a > b</ref>"}}}}]}"""
    html = (
        f"<section><table class='infobox biota' about='#mwt1' typeof='mw:Transclusion' data-mw='{data}'><tbody>"
        '<tr><td>Order:</td><td><a rel="mw:WikiLink" href="./Lari_(birds)" title="Lari">Lari</a></td></tr>'
        '<tr><td>Genus:</td><td><a rel="mw:WikiLink" href="./Larus?action=edit&redlink=1">Larus</a></td></tr></tbody>'
        "</table></section>"
    )
    assert [(row.name, row.page) for row in read_taxobox(html).rows] == [("Lari", "Lari (birds)"), ("Larus", None)]


def test_a_page_that_contradicts_itself_keeps_both() -> None:
    assert [row.name for row in box("Crested auklet").rows if row.rank == "order"] == [
        "Charadriiformes",
        "Procellariiformes",
    ]


def test_two_boxes_on_a_page_are_both_read() -> None:
    one = '<table class="biota infobox"><tr><td>Order:</td><td>{}</td></tr></table>'
    assert [row.name for row in read_taxobox(one.format("Lari") + "x" + one.format("Alcae")).rows] == ["Lari", "Alcae"]


def test_script_in_a_box_states_nothing() -> None:
    assert ranks("Trap bird") == {"kingdom": "Animalia", "phylum": "Chordata", "class": "Aves"}


@pytest.mark.parametrize(
    ("page", "why"),
    [("Cardinal", "a disambiguation page"), ("Nighthawk", "a set-index page"), ("Barn (building)", "has no taxobox")],
)
def test_a_page_that_describes_no_taxon_says_so(page: str, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        box(page)


@pytest.mark.parametrize(
    "html",
    [
        "",
        '<!-- <table class="infobox biota"><tr><td>Order:</td><td>Lari</td></tr></table> -->',
        '&lt;table class="infobox biota"&gt;',
        '<table class="infobox biotaX"></table>',
        '<table data-x="biota"></table>',
    ],
)
def test_what_only_looks_like_a_box_is_none(html: str) -> None:
    with pytest.raises(UnreadableError, match="no taxobox"):
        read_taxobox(html)


B = '<table class="biota">'


@pytest.mark.parametrize(
    "html",
    [
        B + "<b>" * 60_000 + "</table>",
        B + "<tr><td>Order:</td><td>" * 8_000 + "</table>",
        B + "<tr></x><td></x>Order:</td><td>" * 8_000 + "</table>",
        B + "<tr><td>Order:</td><td>" + '<a href="/wiki/X">X</a>' * 10_000 + "</td></tr></table>",
        B * 15_000 + "</table>" * 15_000,
        B + "x" * 500_000 + "</table>",
        B + "<table>" * 500_000,
        "<div " + "id " * 1_000_000,
        "<!--" * 1_000_000,
        "<table " * 500_000,
        "<table '" * 500_000,
        "<table \"'" * 500_000,
        "<table " + "x='y' " * 500_000,
        ('<table class="' + "x " * 900 + '">') * 2_000,
        B,
    ],
)
def test_hostile_markup_costs_little_time(html: str) -> None:
    start = time.process_time()
    with suppress(UnreadableError):
        assert read_taxobox(html).rows == ()
    assert time.process_time() - start < 5


@given(
    st.text(max_size=300), st.sampled_from(["{}", B + "{}</table>", B + "<tr><td>Order:</td><td>{}</td></tr></table>"])
)
@example("<", B + "<tr><td>Order:</td><td>{}</td></tr></table>")
@settings(max_examples=100, deadline=None)
def test_no_text_makes_reading_fail(text: str, frame: str) -> None:
    try:
        rows = read_taxobox(frame.replace("{}", text)).rows
    except UnreadableError:
        return
    assert all(row.name and not set(row.name) & set('<>"&=()\n') for row in rows)


@pytest.mark.skipif(not REAL.exists(), reason="the real pages are not part of the project")
def test_real_pages() -> None:
    read = {path.stem: read_taxobox(path.read_text(encoding="utf-8")) for path in REAL.glob("*.html")}
    families = {page: [row.name for row in box.rows if row.rank == "family"] for page, box in read.items()}
    assert families == {
        "Empidonax": ["Tyrannidae"], "Lampyris": ["Lampyridae"], "Serpophaga": ["Tyrannidae"],
        "Trigonochlamydidae": ["Trigonochlamydidae"], "api_parse_Poa_annua.text": ["Poaceae"],
    }  # fmt: skip
    poa = read["api_parse_Poa_annua.text"]
    assert (poa.binomial, poa.taxonomy) == ("Poa annua", "Poa")
    assert [row.name for row in poa.rows if row.rank == "clade"] == [
        "Tracheophytes",
        "Angiosperms",
        "Monocots",
        "Commelinids",
    ]


# ---------------------------------------------------------------- taxonomy templates


def test_a_taxonomy_template_names_rank_taxon_and_parent() -> None:
    text = """{{Don't edit this line {{{machine code|}}}
|rank=familia
|link=Tyrant flycatcher|Tyrannidae
|parent=Tyranni <!-- |parent=Wrong -->
|extinct=
|refs={{cite web|title=A|parent=B}} [[Link|parent=C]]
}}<noinclude>|parent=Outside</noinclude>"""
    assert read_taxonomy(text) == Taxonomy("family", "Tyrannidae", "Tyranni")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("{{x|rank=genus|link=Riparia (bird)|parent=Hirundininae}}", Taxonomy("genus", "Riparia", "Hirundininae")),
        ("{{x|rank=genus|link=Cod|''Gadus''|parent=Gadidae}}", Taxonomy("genus", "Gadus", "Gadidae")),
        ("{{x|same as = Aves | parent=Ornithurae}}", Taxonomy(None, None, "Ornithurae", "Aves")),
        ("{{x|rank=ordo|link=Lari|parent={{get parent|X}}}}", Taxonomy("order", "Lari", None)),
        ("{{x|rank=ordo|link=<b>Lari</b>|parent=Ornithurae/?}}", Taxonomy("order", None, "Ornithurae/?")),
        ("#REDIRECT [[Template:Taxonomy/Aves]]", Taxonomy(None, None, None)),
        ("", Taxonomy(None, None, None)),
        ("{{" * 30_000, Taxonomy(None, None, None)),
    ],
)
def test_what_a_template_does_not_state_plainly_is_left_open(text: str, read: Taxonomy) -> None:
    assert read_taxonomy(text) == read


@pytest.mark.parametrize(
    ("latin", "english"),
    [("ordo", "order"), ("Superfamilia", "superfamily"), ("infraclassis", "infraclass"), ("clade", "clade"),
     ("phylum", "phylum"), ("genus", "genus"), ("", "")],
)  # fmt: skip
def test_ranks_are_given_in_english(latin: str, english: str) -> None:
    assert english_rank(latin) == english


def test_following_stops_at_gaps_doubts_and_circles() -> None:
    known: dict[str, Taxonomy | None] = {
        "A": Taxonomy("genus", "A", "B"), "B": Taxonomy("family", "B", "A"),
        "C": Taxonomy("genus", "C", "D/?"), "E": Taxonomy("genus", "E", "F"),
    }  # fmt: skip
    assert [key for key, _ in follow("A", known.get)[0]] == ["A", "B"]
    assert follow("A", known.get)[1] is None
    assert ([key for key, _ in follow("C", known.get)[0]], follow("C", known.get)[1]) == (["C"], None)
    assert follow("E", known.get)[1] == "F"


@given(st.text(alphabet="{}[]|=<>!-/ arnklipetos\n", max_size=200))
@settings(deadline=None)
def test_no_wikitext_makes_reading_fail(text: str) -> None:
    assert isinstance(read_taxonomy(text), Taxonomy)
