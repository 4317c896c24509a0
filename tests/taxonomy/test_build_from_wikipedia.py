"""From names to a hierarchy with its evidence, through a real server, a real cache and the command line."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import wiki_server as faults
from wiki_server import FakeWiki, serve

from taxonomy.cli import main
from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import Hierarchy
from taxonomy.sources import curated
from taxonomy.sources.subjects import Subject, title_of
from taxonomy.sources.wikipedia.build import Built, Request, build, of_dataset, of_names, open_wiki

LEVELS = ("order", "family", "species")


@pytest.fixture
def server() -> Iterator[FakeWiki]:
    with serve(FakeWiki.of_files()) as wiki:
        yield wiki


def ask(
    server: FakeWiki, tmp_path: Path, subjects: Sequence[Subject | str], levels: tuple[str, ...] = LEVELS, **about: str
) -> Built:
    asked = [one if isinstance(one, Subject) else Subject(one, one, one) for one in subjects]
    wiki = open_wiki(tmp_path / "cache", server.url, "me@example.org", sleep=lambda _: None)
    try:
        return build(Request(asked, levels, "birds", "hiertax build --names birds.txt", **about), wiki)
    finally:
        wiki.close()


def lineages(built: Built) -> dict[str, tuple[str, ...]]:
    return {one.subject.name: one.taxa for one in built.placed}


def why(built: Built) -> dict[str, str]:
    return {one.subject.name: one.refusal for one in built.placed if one.refusal}


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


# ---------------------------------------------------------------- lineages


def test_pages_of_today_and_of_2009_make_one_hierarchy(server: FakeWiki, tmp_path: Path) -> None:
    built = ask(server, tmp_path, ["California gull", "Red-legged kittiwake", "Bank swallow"])
    assert lineages(built) == {
        "California gull": ("Charadriiformes", "Laridae"),
        "Red-legged kittiwake": ("Charadriiformes", "Laridae"),
        "Bank swallow": ("Passeriformes", "Hirundinidae"),
    }
    hierarchy = built.hierarchy
    assert hierarchy is not None
    assert (hierarchy.root, hierarchy.sizes) == ("Aves", (2, 2, 3))
    assert hierarchy.source["kind"] == "wikipedia"
    assert hierarchy.source["revisions"]["Sand martin"] == faults.number("Sand martin")
    assert built.remarks == []


def test_a_missing_order_is_read_on_the_page_of_genus_or_family(server: FakeWiki, tmp_path: Path) -> None:
    built = ask(server, tmp_path, ["California gull", "Red-legged kittiwake"])
    order = next(row for row in table(built.evidence) if row["class"] == "Red-legged kittiwake")
    assert (order["level"], order["taxon"], order["page_answered"]) == ("order", "Charadriiformes", "Laridae")
    assert order["row"] == "Order: Charadriiformes"
    assert order["url"].endswith(f"/w/index.php?title=Laridae&oldid={faults.number('Laridae')}")


def test_a_missing_order_is_read_from_the_taxonomy_templates(server: FakeWiki, tmp_path: Path) -> None:
    built = ask(server, tmp_path, ["Anna's hummingbird"])
    assert lineages(built)["Anna's hummingbird"] == ("Apodiformes", "Trochilidae")
    assert table(built.evidence)[0]["page_answered"] == "Template:Taxonomy/Trochilidae"
    assert "Template:Taxonomy/Calypte" in built.hierarchy.source["revisions"]  # type: ignore[union-attr]


def test_a_rank_that_no_page_states_is_not_made_up(server: FakeWiki, tmp_path: Path) -> None:
    built = ask(server, tmp_path, ["Adder's-tongue", "California gull"])
    assert why(built) == {"Adder's-tongue": '"Adder\'s-tongue" states no order, nor does a page above it'}
    assert built.hierarchy is None
    assert built.evidence == b""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Cardinal", "is a disambiguation page"),
        ("Nighthawk", "is a set-index page"),
        ("Ouroboros", "redirects in a circle"),
        ("Rock parrot (old name)", "leads to a section of 'Swallow'"),
        ("Dodo of CUB", "has no page"),
        ("Barn (building)", "has no taxobox"),
        ("a|b", "is no valid title"),
        ("Trap bird", "'Trap bird' states no order"),
        ("Crested auklet", "contradicts itself: order Charadriiformes and Procellariiformes"),
    ],
)
def test_what_is_doubtful_is_refused_with_the_reason(server: FakeWiki, tmp_path: Path, name: str, reason: str) -> None:
    built = ask(server, tmp_path, ["California gull", name])
    assert built.hierarchy is None
    assert list(why(built)) == [name]
    assert reason in why(built)[name]
    assert any(name in line for line in built.remarks)


def test_two_pages_that_disagree_refuse_every_class_that_rests_on_them(server: FakeWiki, tmp_path: Path) -> None:
    built = ask(server, tmp_path, ["Ovenbird", "Kentucky warbler", "California gull"])
    assert set(why(built)) == {"Ovenbird", "Kentucky warbler"}
    said = why(built)["Kentucky warbler"]
    assert "on the order of family Parulidae" in said
    assert "Coraciiformes ('Ovenbird') or Passeriformes ('Kentucky warbler' and 1 more)" in said


def test_a_lone_wrong_page_is_found_by_its_familys_page(server: FakeWiki, tmp_path: Path) -> None:
    assert set(why(ask(server, tmp_path, ["Ovenbird"]))) == {"Ovenbird"}


def test_a_wrong_family_is_found_by_the_genus_page(server: FakeWiki, tmp_path: Path) -> None:
    server.pages["California gull"] = server.pages["California gull"].replace("Laridae", "Alcidae")
    assert "on the family of genus Larus" in why(ask(server, tmp_path, ["California gull"]))["California gull"]


def test_a_page_about_another_species_is_not_used(server: FakeWiki, tmp_path: Path) -> None:
    sparrow = Subject("130", "Eurasian tree sparrow", "Tree sparrow", scientific="Spizelloides arborea")
    assert why(ask(server, tmp_path, [sparrow])) == {
        "130": "'Eurasian tree sparrow' is about Passer montanus, not Spizelloides arborea"
    }


@pytest.mark.parametrize("scientific", ["Passer montanus", "Loxia montana", "Passer", "", "Passer arboreus"])
def test_a_renamed_species_is_the_same(server: FakeWiki, tmp_path: Path, scientific: str) -> None:
    sparrow = Subject("x", "Eurasian tree sparrow", "x", scientific=scientific)
    assert why(ask(server, tmp_path, [sparrow])) == {}


def test_a_genus_of_another_kingdom_is_another_genus(server: FakeWiki, tmp_path: Path) -> None:
    fern = server.pages["Adder's-tongue"].replace("Ophioglossum", "Larus").replace("Family:", "Order:", 1)
    fern = fern.replace("Ophioglossaceae", "Ophioglossales")
    rows = '<tr class="taxonrow">\n<td>Genus:'
    server.pages["Fern"] = fern.replace(rows, "<tr><td>Family:</td><td>Filicaceae</td></tr>" + rows)
    built = ask(server, tmp_path, ["Fern", "California gull"])
    assert lineages(built) == {
        "Fern": ("Ophioglossales", "Filicaceae"),
        "California gull": ("Charadriiformes", "Laridae"),
    }
    assert built.hierarchy is not None
    assert built.hierarchy.root == "life"


def test_a_lie_about_the_kingdom_does_not_hide_a_wrong_family(server: FakeWiki, tmp_path: Path) -> None:
    page = server.pages["California gull"].replace("Animalia", "Plantae").replace("Laridae", "Alcidae")
    server.pages["Wrong gull"] = page
    server.pages["Auk"] = server.pages["Laridae"].replace("Laridae", "Alcidae")
    server.redirects["Alcidae"] = ["Auk", ""]
    assert "Wrong gull" in why(ask(server, tmp_path, ["Wrong gull", "California gull"]))


def test_any_ranks_can_be_levels(server: FakeWiki, tmp_path: Path) -> None:
    built = ask(server, tmp_path, ["Larus", "Kittiwake", "Riparia (bird)"], ("class", "order", "family", "genus"))
    assert lineages(built)["Kittiwake"] == ("Aves", "Charadriiformes", "Laridae")
    assert built.hierarchy is not None
    assert built.hierarchy.sizes == (1, 2, 2, 3)


def test_one_page_that_answers_for_two_classes_is_remarked(server: FakeWiki, tmp_path: Path) -> None:
    built = ask(server, tmp_path, ["Bank swallow", "Sand martin"])
    assert built.remarks == ["'Sand martin' answers for 2 classes"]


def test_script_never_reaches_a_file(server: FakeWiki, tmp_path: Path) -> None:
    row = "<tr><td>Genus:</td><td><script>alert(1)</script><i>Larus</i></td></tr></tbody>"
    server.pages["California gull"] = server.pages["California gull"].replace("</tbody>", row)
    built = ask(server, tmp_path, ["California gull"])
    assert b"<" not in built.evidence
    assert "<" not in json.dumps(built.hierarchy.to_json() if built.hierarchy else "<")


# ---------------------------------------------------------------- the reviewed ground


def reviewed(name: str, *taxa: str, fixed: bool = False) -> Subject:
    return Subject(name, name, name, reviewed=taxa, fixed=fixed)


def test_a_difference_that_two_pages_state_is_taken_over_and_told(server: FakeWiki, tmp_path: Path) -> None:
    built = ask(server, tmp_path, [reviewed("Sand martin", "Hirundiniformes", "Hirundinidae")])
    assert lineages(built)["Sand martin"] == ("Passeriformes", "Hirundinidae")
    (row,) = table(built.review)
    assert (row["reviewed"], row["wikipedia"], row["stands"]) == ("Hirundiniformes", "Passeriformes", "Passeriformes")
    assert "Hirundiniformes in the reviewed table, Passeriformes on Wikipedia" in built.remarks[0]


def test_what_the_reviewer_fixed_stands_and_is_told(server: FakeWiki, tmp_path: Path) -> None:
    built = ask(server, tmp_path, [reviewed("Sand martin", "Hirundiniformes", "Hirundinidae", fixed=True)])
    assert lineages(built)["Sand martin"] == ("Hirundiniformes", "Hirundinidae")
    (row,) = table(built.review)
    assert (row["wikipedia"], row["stands"], row["reason"]) == (
        "Passeriformes",
        "Hirundiniformes",
        "fixed by the reviewer",
    )
    assert {row["stands_on"] for row in table(built.evidence)} == {"reviewed"}
    assert built.hierarchy is not None
    assert built.hierarchy.source["kind"] == "curated"


def test_a_difference_that_one_page_states_does_not_outweigh_the_table(server: FakeWiki, tmp_path: Path) -> None:
    for page in ("New World warbler", "Geothlypis"):
        server.pages.pop(page, None)
    built = ask(server, tmp_path, [reviewed("Ovenbird", "Passeriformes", "Parulidae")])
    assert lineages(built)["Ovenbird"] == ("Passeriformes", "Parulidae")
    assert table(built.review)[0]["reason"] == "only 'Ovenbird' says order Coraciiformes"


def test_a_page_that_moves_a_class_to_another_genus_does_not_move_its_family(server: FakeWiki, tmp_path: Path) -> None:
    page = server.pages["Sand martin"]
    for there, here in (("Passeriformes", "Charadriiformes"), ("Hirundinidae", "Laridae"), ("Riparia", "Larus")):
        page = page.replace(f">{there}<", f">{here}<").replace(f"{there} riparia", f"{here} riparia")
    server.pages["Sand martin"] = page.replace("/wiki/Riparia_(bird)", "/wiki/Larus").replace(
        "/wiki/Swallow", "/wiki/Laridae"
    )
    taxa = ("Passeriformes", "Hirundinidae")
    martin = Subject("Sand martin", "Sand martin", "Sand martin", taxa, scientific="Riparia riparia")
    built = ask(server, tmp_path, [martin, "California gull"])
    assert lineages(built)["Sand martin"] == taxa
    assert why(built)["Sand martin"] == "only 'Sand martin' says genus Larus, which is placed elsewhere"


def test_a_users_page_is_no_witness(server: FakeWiki, tmp_path: Path) -> None:
    server.pages["User:Somebody/Laridae"] = server.pages["Laridae"].replace("Charadriiformes", "Coraciiformes")
    server.pages["California gull"] = server.pages["California gull"].replace(
        "/wiki/Laridae", "/wiki/User:Somebody/Laridae"
    )
    assert why(ask(server, tmp_path, ["California gull"])) == {}
    assert "is no article" in why(ask(server, tmp_path, ["User:Somebody/Laridae"]))["User:Somebody/Laridae"]


def test_where_wikipedia_contradicts_itself_the_table_stands(server: FakeWiki, tmp_path: Path) -> None:
    subjects = [
        reviewed("Ovenbird", "Passeriformes", "Parulidae"), reviewed("Kentucky warbler", "Passeriformes", "Parulidae"),
        reviewed("Cardinal", "Passeriformes", "Cardinalidae"), "California gull",
    ]  # fmt: skip
    built = ask(server, tmp_path, subjects, table="birds.csv")
    assert lineages(built)["Cardinal"] == ("Passeriformes", "Cardinalidae")
    assert built.hierarchy is not None
    assert built.hierarchy.source["kind"] == "wikipedia"
    assert built.hierarchy.source["from_table"] == ["Ovenbird", "Kentucky warbler", "Cardinal"]
    assert [row["class"] for row in table(built.review)] == ["Ovenbird", "Kentucky warbler", "Cardinal"]


def test_a_mixture_that_is_no_tree_goes_back_to_the_table(server: FakeWiki, tmp_path: Path) -> None:
    server.pages["Ovenbird"] = server.pages["Ovenbird"].replace("Coraciiformes", "Passeriformes")
    rows = [
        reviewed(name, "Parulimorphae", "Parulidae", fixed=name == "Ovenbird")
        for name in ("Ovenbird", "Kentucky warbler")
    ]
    built = ask(server, tmp_path, rows)
    assert set(lineages(built).values()) == {("Parulimorphae", "Parulidae")}
    assert "would have two parents" in why(built)["Kentucky warbler"]


def test_a_table_that_is_no_tree_is_refused(server: FakeWiki, tmp_path: Path) -> None:
    rows = [reviewed("Cardinal", "A", "Cardinalidae"), reviewed("Nighthawk", "B", "Cardinalidae")]
    with pytest.raises(HiertaxError, match="reviewed table gives the family 'Cardinalidae' two parents"):
        ask(server, tmp_path, rows)


# ---------------------------------------------------------------- lists of names


def test_names_come_one_per_line(tmp_path: Path) -> None:
    (tmp_path / "birds.txt").write_text("\ufeffGadwall\n\n# ducks\n001.Black_footed_Albatross \n", encoding="utf-8")
    request = of_names(tmp_path / "birds.txt", ["order", "species"])
    assert [(one.name, one.title) for one in request.subjects] == [
        ("Gadwall", "Gadwall"),
        ("001.Black_footed_Albatross", "Black footed Albatross"),
    ]
    assert (request.name, request.command) == ("birds", "hiertax build --names birds.txt --levels order,species")


def test_a_csv_of_names_says_more(tmp_path: Path) -> None:
    header = "class,wikipedia_title,order,species,scientific_name"
    (tmp_path / "b.csv").write_text(f"{header}\nc1,Gadwall,Anseriformes,Gadwall duck,Mareca strepera\nc2,,,,\n")
    one, two = of_names(tmp_path / "b.csv", ["order", "species"]).subjects
    assert one == Subject("c1", "Gadwall", "Gadwall duck", ("Anseriformes",), True, "Mareca strepera")
    assert two == Subject("c2", "c2", "c2", None, True)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("n.txt", b"", "holds no name"),
        ("n.txt", b"a\nb\na\n", "n.txt, line 3: the name 'a' is in line 1 too"),
        ("n.txt", b"\xff\xfe\x00", "not UTF-8 text"),
        ("n.csv", b"name\na\n", "has no column 'class'"),
        ("n.csv", b"class\n\n  \nx\n", "n.csv, line 3: has no class"),
        ("n.csv", b'class\n"a', r"n.csv, line 1: .*mend the CSV"),
        ("n.csv", b"class,species\na,x\nb,x\n", "n.csv, line 3: the label 'x' is in line 2 too"),
    ],
)
def test_a_bad_list_is_refused(tmp_path: Path, file: str, content: bytes, said: str) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(HiertaxError, match=said):
        of_names(tmp_path / file, ["order", "species"])


@pytest.mark.parametrize(
    ("name", "title"),
    [("017.Cardinal", "Cardinal"), ("747-400", "747-400"), ("1.5", "1.5"), ("Curac\u0327ao", "Cura\u00e7ao")],
)
def test_titles_of_class_names(name: str, title: str) -> None:
    assert title_of(name) == title


# ---------------------------------------------------------------- the whole of CUB


def cub_wiki() -> FakeWiki:
    """A wiki that agrees with the reviewed table: a page per species, genus and family."""
    box = '<table class="infobox biota"><tbody>{}</tbody></table>'
    row = "<tr><td>{}:</td><td>{}</td></tr>"
    wiki = FakeWiki({})
    for one in curated.read_table("cub.csv"):
        genus, *epithet = one["scientific_name"].split()
        higher = [row.format("Class", "Aves"), row.format("Order", one["order"])]
        linked = f'<a href="/wiki/{one["family"]}">{one["family"]}</a>'
        family = row.format("Family", linked)
        name = f'<tr><td><span class="binomial">{one["scientific_name"]}</span></td></tr>' if epithet else ""
        rows = [*higher, family, row.format("Genus", f'<a href="/wiki/{genus}_(genus)">{genus}</a>'), name]
        wiki.pages[one["wikipedia_title"]] = box.format("".join(rows))
        wiki.pages[one["family"]] = box.format("".join([*higher, row.format("Family", one["family"])]))
        wiki.pages[f"{genus} (genus)"] = box.format("".join([*higher, family, row.format("Genus", genus)]))
    return wiki


def test_cub_from_wikipedia_equals_the_reviewed_tree(tmp_path: Path) -> None:
    with serve(cub_wiki()) as server:
        wiki = open_wiki(tmp_path, server.url, "me@example.org", sleep=lambda _: None)
        built = build(of_dataset("cub"), wiki)
        wiki.close()
        queries = [asked for asked in server.asked if asked["action"] == "query"]
    assert built.remarks == []
    assert built.hierarchy == curated.build("cub")
    assert len(queries) <= 10
    assert table(built.review) == []
    agreed = [int(row["pages_agreeing"]) for row in table(built.evidence) if row["level"] == "order"]
    assert len(agreed) == 200
    assert min(agreed) >= 2
    out = tmp_path / "offline.json"
    run("build", "--dataset", "cub", "--source", "wikipedia", "--offline", "--cache", str(tmp_path), "--out", str(out))
    built.hierarchy.save(tmp_path / "online.json")
    assert out.read_bytes() == (tmp_path / "online.json").read_bytes()
    assert (tmp_path / "offline.evidence.csv").read_bytes() == built.evidence


def test_a_wrong_page_cannot_bring_back_the_published_slip(tmp_path: Path) -> None:
    fake = cub_wiki()
    page = fake.pages["Red-legged kittiwake"]
    fake.pages["Red-legged kittiwake"] = page.replace("Charadriiformes", "Coraciiformes").replace(
        "Laridae", "Alcedinidae"
    )
    with serve(fake) as server:
        wiki = open_wiki(tmp_path, server.url, "me@example.org", sleep=lambda _: None)
        built = build(of_dataset("cub"), wiki)
        wiki.close()
    assert built.hierarchy == curated.build("cub")
    assert any("Red_legged_Kittiwake" in line for line in built.remarks)


# ---------------------------------------------------------------- the command line


def run(*args: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(args))
    assert (ended.value.code or 0) == code


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HIERTAX_CONTACT", raising=False)
    monkeypatch.setattr("taxonomy.sources.wikipedia.client.INTERVAL", 0.0)
    path = tmp_path / "birds.txt"
    path.write_text("California gull\nRed-legged kittiwake\nBank swallow\nAnna's hummingbird\n")
    return path


def test_offline_gives_the_same_bytes(server: FakeWiki, names: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["build", "--names", str(names), "--levels", "order,family,species", "--cache", "c", "--review", "r.csv"]
    run(*line, "--api-url", server.url, "--contact", "me@example.org")
    said = capsys.readouterr()
    assert said.out == "hierarchies/birds.json: Aves > 3 order, 3 family, 4 species\n"
    assert said.err == "warning: stated by one page alone (pages_agreeing in the evidence): order Apodiformes\n"
    files = [Path("hierarchies/birds.json"), Path("hierarchies/birds.evidence.csv"), Path("r.csv")]
    first = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    asked = len(server.asked)
    run(*line, "--offline")
    assert [path.read_bytes() for path in files] == first
    assert len(server.asked) == asked
    run(*line, "--offline", "--name", "three", "--root-label", "bird")
    renamed = Hierarchy.load("hierarchies/three.json")
    assert (renamed.root, renamed.source["command"].split(" --name ")[1].split(" --api-url")[0]) == (
        "bird",
        "three --root-label bird",
    )
    assert Hierarchy.load(files[0]).lineage("Bank swallow") == ("Passeriformes", "Hirundinidae", "Bank swallow")


def test_the_cache_of_the_user_is_the_default(server: FakeWiki, names: Path, tmp_path: Path) -> None:
    line = ["build", "--names", str(names), "--levels", "order,family,species", "--api-url", server.url]
    run(*line, "--contact", "me@example.org", "--out", "one.json")
    run(*line, "--offline", "--out", "two.json")
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()
    assert list((tmp_path / "home" / "hiertax" / "wikipedia").iterdir())


def test_a_network_that_dies_keeps_what_was_fetched(
    server: FakeWiki, names: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taxonomy.sources.wikipedia.client.ATTEMPTS", 1)
    line = ["build", "--names", str(names), "--levels", "order,family,species", "--cache", "c"]
    server.faults.extend([None, None, None, faults.dropped])
    run(*line, "--api-url", server.url, "--contact", "me@example.org", code=1)
    assert capsys.readouterr().err.startswith("error: http://127.0.0.1:")
    assert not Path("hierarchies").exists()
    asked = len(server.asked)
    run(*line, "--api-url", server.url, "--contact", "me@example.org")
    repeated = [ask for ask in server.asked[asked:] if ask in server.asked[: asked - 1]]
    assert repeated == []
    assert Path("hierarchies/birds.json").exists()


def test_refused_classes_end_in_one_line_and_no_hierarchy(
    server: FakeWiki, names: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names.write_text("California gull\nCardinal\n")
    line = ["build", "--names", str(names), "--levels", "order,family,species", "--api-url", server.url]
    run(*line, "--contact", "me@example.org", "--review", "r.csv", code=1)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "warning: Cardinal: 'Cardinal' is a disambiguation page; placed nowhere"
    assert said[1].startswith("error: 1 of 2 classes have no undoubted place: Cardinal; in a CSV")
    assert [row["class"] for row in table(Path("r.csv").read_bytes())] == ["Cardinal"]
    assert not Path("hierarchies").exists()


def test_without_a_contact_nothing_is_asked(server: FakeWiki, names: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("build", "--names", str(names), "--levels", "order,species", "--api-url", server.url, code=2)
    assert "--contact YOUR@ADDRESS or set HIERTAX_CONTACT" in capsys.readouterr().err
    assert server.asked == []


def test_the_contact_may_come_from_the_environment(
    server: FakeWiki, names: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIERTAX_CONTACT", "https://example.org/me")
    run("build", "--names", str(names), "--levels", "order,family,species", "--api-url", server.url)
    assert all("(https://example.org/me)" in agent for agent in server.agents)


@pytest.mark.parametrize(
    "args",
    [
        ["build"],
        ["build", "--dataset", "cub", "--names", "birds.txt"],
        ["build", "--names", "birds.txt"],
        ["build", "--dataset", "cub", "--levels", "order"],
        ["build", "--names", "birds.txt", "--levels", "a,b", "--source", "curated"],
        ["build", "--names", "birds.txt", "--levels", "order"],
        ["build", "--names", "birds.txt", "--levels", "order,Order"],
        ["build", "--names", "birds.txt", "--levels", "order,,species"],
        ["build", "--names", "birds.txt", "--levels", "a,b", "--contact", "nobody"],
        ["build", "--dataset", "cub", "--source", "wikipedia", "--contact", " "],
        ["build", "--dataset", "cub", "--source", "wikipedia", "--offline", "--name", "x"],
        ["build", "--dataset", "cub", "--source", "wikipedia", "--offline", "--ragged", "fill"],
        ["build", "--names", "birds.txt", "--levels", "a,b", "--offline", "--name", "../x"],
        ["build", "--csv", "birds.txt", "--source", "wikipedia", "--offline"],
        ["build", "--dataset", "cub", "--offline"],
        ["build", "--dataset", "cub", "--review", "r.csv"],
    ],
)
@pytest.mark.usefixtures("names")
def test_options_that_do_not_fit_are_wrong_usage(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run(*args, code=2)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize("dataset", ["cars", "aircraft", "cub-paper"])
@pytest.mark.usefixtures("names")
def test_a_dataset_that_wikipedia_does_not_describe_is_refused(
    dataset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run("build", "--dataset", dataset, "--source", "wikipedia", "--offline", code=1)
    assert "not described by Wikipedia" in capsys.readouterr().err


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_stops_at_once_and_the_next_run_goes_on(server: FakeWiki, names: Path) -> None:
    def interrupt(_: faults.Handler) -> None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)

    server.faults.extend([None, None, interrupt])
    line = [
        "build",
        "--names",
        str(names),
        "--levels",
        "order,family,species",
        "--cache",
        "c",
        "--contact",
        "me@example.org",
    ]
    code = "import sys; from taxonomy.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, *line, "--api-url", server.url]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip() == "error: interrupted; the answers so far are kept in c: run the same line to go on"
    assert len([path for path in Path("c").iterdir() if path.name != "api.json"]) == 2
    run(*line, "--api-url", server.url)
    assert Path("hierarchies/birds.json").exists()


def test_nothing_heavy_is_imported_for_the_help() -> None:
    code = "import sys, taxonomy.cli; sys.exit(bool({'requests', 'bs4', 'numpy', 'rich'} & sys.modules.keys()))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
