"""Hierarchies from taxonomies on the disk, through the functions that the command calls."""

import csv
import io
import json
import shlex

import pytest
from checklists import (
    BACKBONE,
    CLEMENTS,
    COLUMNS_ONLY,
    NODES,
    clements,
    coldp,
    coldp_in_three,
    dwca,
    in_folder,
    in_tar,
    in_zip,
    taxdump,
)
from click.testing import CliRunner

from taxonomy import Hierarchy
from taxonomy.cli import main
from taxonomy.errors import HiertaxError
from taxonomy.leveling import ImportOptions
from taxonomy.sources.offline.build import Request, build
from taxonomy.sources.offline.command import run
from taxonomy.sources.offline.scientific import canonical, folded, without_authority
from taxonomy.sources.subjects import Subject

X = "\N{MULTIPLICATION SIGN}"
RANKS = ("order", "family", "genus", "species")


def ask(kind, path, names, levels=RANKS, within=None, **reading):
    """Return what becomes of some names."""
    subjects = [name if isinstance(name, Subject) else Subject(name, name, name) for name in names]
    about = ImportOptions(source={"command": "hiertax build"}, fallback="names", **reading)
    return build(Request(subjects, levels, kind, path, within, about, "names.txt"))


def lineages(outcome):
    assert outcome.hierarchy is not None, outcome.remarks
    return {name: outcome.hierarchy.lineage(name) for name in outcome.hierarchy.classes}


def table(content):
    return list(csv.DictReader(io.StringIO(content.decode())))


@pytest.fixture
def ncbi(tmp_path):
    return in_tar(tmp_path / "taxdump.tar.gz", taxdump())


TIT = ("Passeriformes", "Paridae", "Parus", "Parus major")

# ---------------------------------------------------------------- every source, every form


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("ncbi", lambda path: in_tar(path / "taxdump.tar.gz", taxdump())),
        ("ncbi", lambda path: in_tar(path / "taxdump.tar", taxdump(), "w")),
        ("ncbi", lambda path: in_tar(path / "taxdump.tar.xz", taxdump(), "w:xz")),
        ("ncbi", lambda path: in_zip(path / "taxdmp.zip", taxdump())),
        ("ncbi", lambda path: in_folder(path / "taxdump", taxdump())),
        ("ncbi", lambda path: in_zip(path / "sub.zip", {f"dump/{n}": c for n, c in taxdump().items()})),
        ("dwca", lambda path: in_zip(path / "backbone.zip", dwca())),
        ("dwca", lambda path: in_folder(path / "backbone", dwca())),
        ("dwca", lambda path: in_zip(path / "quoted.zip", dwca(delimiter=",", quote="&quot;", file="taxa.txt"))),
        ("dwca", lambda path: in_zip(path / "latin.zip", dwca(encoding="ISO-8859-1"))),
        ("dwca", lambda path: in_zip(path / "columns.zip", dwca(COLUMNS_ONLY))),
    ],
)
def test_a_species_is_found_in_every_form_of_an_archive(kind, make, tmp_path):
    outcome = ask(kind, make(tmp_path), ["Parus major"])
    assert lineages(outcome) == {"Parus major": TIT}


@pytest.mark.parametrize("files", [coldp(), coldp(prefix=""), coldp_in_three()])
@pytest.mark.parametrize("pack", [in_zip, in_folder])
def test_a_species_and_its_synonym_are_found_in_coldp(files, pack, tmp_path):
    outcome = ask("dwca", pack(tmp_path / "coldp", files), ["Cyanistes caeruleus"])
    assert lineages(outcome) == {
        "Cyanistes caeruleus": ("Passeriformes", "Paridae", "Cyanistes", "Cyanistes caeruleus")
    }
    synonym = ask("dwca", tmp_path / "coldp", ["Parus caeruleus"])
    assert lineages(synonym)["Parus caeruleus"][:3] == ("Passeriformes", "Paridae", "Cyanistes")
    assert synonym.hierarchy.source["kind"] == "coldp"
    assert synonym.hierarchy.source["found_as"] == {"synonym": 1}


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig"])
def test_the_birds_of_clements_are_found_by_either_name(encoding, tmp_path):
    path = tmp_path / "clements.csv"
    path.write_bytes(clements(encoding=encoding))
    names = ["Struthio camelus", "Eurasian Blue Tit", "Black_footed_Albatross"]
    subjects = [Subject(name, name.replace("_", " "), name) for name in names]
    outcome = ask("clements", path, subjects, ("order", "family", "species"))
    assert lineages(outcome) == {
        "Struthio camelus": ("Struthioniformes", "Struthionidae", "Struthio camelus"),
        "Eurasian Blue Tit": ("Passeriformes", "Paridae", "Eurasian Blue Tit"),
        "Black_footed_Albatross": ("Procellariiformes", "Diomedeidae", "Black_footed_Albatross"),
    }
    assert outcome.hierarchy.source["version"] == "v2023"
    assert any(line.startswith("found by a common name: 2: Eurasian Blue Tit is Cyanistes") for line in outcome.remarks)


def test_a_subspecies_of_clements_stands_in_its_genus_and_its_rank_is_told(tmp_path):
    path = tmp_path / "clements.csv"
    path.write_bytes(clements())
    outcome = ask("clements", path, ["Struthio camelus camelus"], ("order", "genus", "species"))
    assert lineages(outcome)["Struthio camelus camelus"][1] == "Struthio"
    assert outcome.remarks == ["of another rank than species: 1: Struthio camelus camelus (subspecies)"]


def test_ebird_names_its_columns_otherwise(tmp_path):
    header = ("TAXON_ORDER", "CATEGORY", "SPECIES_CODE", "PRIMARY_COM_NAME", "SCI_NAME", "ORDER1", "FAMILY")
    row = ("1", "species", "ostric2", "Common Ostrich", "Struthio camelus", "Struthioniformes", "Struthionidae (Ostr)")
    (tmp_path / "ebird.csv").write_bytes(clements([header, row]))
    outcome = ask("clements", tmp_path / "ebird.csv", ["Struthio camelus"], ("order", "family", "species"))
    assert lineages(outcome)["Struthio camelus"][:2] == ("Struthioniformes", "Struthionidae")


# ---------------------------------------------------------------- synonyms, homonyms, ranks


def test_a_synonym_is_followed_and_said_with_its_count(ncbi):
    outcome = ask("ncbi", ncbi, ["Parus caeruleus", "Parus major"])
    assert lineages(outcome)["Parus caeruleus"] == ("Passeriformes", "Paridae", "Cyanistes", "Parus caeruleus")
    assert outcome.remarks[0] == "found as a synonym: 1: Parus caeruleus is Cyanistes caeruleus"
    leaf = table(outcome.evidence)[3]
    assert (leaf["answered"], leaf["found_as"], leaf["id"]) == ("Cyanistes caeruleus", "synonym", "156563")


def test_homonyms_of_two_kingdoms_are_refused_and_both_are_named(ncbi):
    outcome = ask("ncbi", ncbi, ["Prunella", "Parus"], ("order", "family", "genus"))
    assert outcome.hierarchy is None
    assert outcome.refused == ["Prunella"]
    line = next(line for line in outcome.remarks if line.startswith("Prunella"))
    assert "Prunella (genus 48155, Metazoa > Aves > Prunellidae)" in line
    assert "Prunella (genus 39349, Viridiplantae > Lamiaceae)" in line
    assert "within" in line


@pytest.mark.parametrize(
    ("within", "family"), [("Aves", "Prunellidae"), ("aves", "Prunellidae"), ("Viridiplantae", "Lamiaceae")]
)
def test_homonyms_are_settled_by_a_clade(ncbi, within, family):
    outcome = ask("ncbi", ncbi, ["Prunella"], ("order", "family", "genus"), within)
    assert lineages(outcome)["Prunella"][1] == family
    assert outcome.hierarchy.source["within"] == within


def test_what_stands_outside_the_clade_is_refused_with_its_place(ncbi):
    outcome = ask("ncbi", ncbi, ["Prunella vulgaris", "Parus major"], within="Aves")
    assert outcome.refused == ["Prunella vulgaris"]
    assert "is not within Aves: Prunella vulgaris (species 39358, Viridiplantae > Lamiaceae > Prunella)" in str(
        outcome.remarks
    )


def test_an_unknown_clade_is_refused_with_the_nearest(ncbi):
    with pytest.raises(HiertaxError, match=r"no taxon of the archive is called 'Avess'; is Aves meant\?"):
        ask("ncbi", ncbi, ["Parus major"], within="Avess")


def test_two_genera_of_one_name_in_one_list_are_refused(ncbi):
    outcome = ask("ncbi", ncbi, ["Prunella modularis", "Prunella vulgaris"])
    assert outcome.refused == ["Prunella modularis", "Prunella vulgaris"]
    assert "the genus Prunella is two taxa: " in outcome.remarks[0]
    assert "as `hiertax build --qualify` does" in outcome.remarks[0]
    whole = ask("ncbi", ncbi, ["Prunella modularis", "Prunella vulgaris"], ("order", "family", "species"))
    assert whole.hierarchy.sizes == (2, 2, 2)


def test_two_genera_of_one_name_are_told_apart_by_their_families_on_request(ncbi):
    names = ["Prunella modularis", "Prunella vulgaris"]
    outcome = ask("ncbi", ncbi, names, qualify=True)
    assert outcome.hierarchy.levels[2].labels == ("Prunella (Prunellidae)", "Prunella (Lamiaceae)")
    alike = ask("ncbi", ncbi, names, ("genus", "species"), qualify=True)
    assert alike.refused == names
    assert "add a level above that tells the two apart" in alike.remarks[0]


def test_a_synonym_of_two_taxa_is_refused(ncbi):
    outcome = ask("ncbi", ncbi, ["Parus communis"])
    assert outcome.refused == ["Parus communis"]
    assert outcome.remarks[0].startswith("Parus communis: is a in-part of 2 taxa: ")


def test_an_accepted_name_goes_before_a_synonym(tmp_path):
    files = taxdump(others=[(156563, "Parus major", "synonym")])
    outcome = ask("ncbi", in_zip(tmp_path / "a.zip", files), ["Parus major"])
    assert lineages(outcome)["Parus major"] == TIT


def test_two_accepted_names_are_refused(tmp_path):
    rows = [*BACKBONE, ("99", "24", "", "Parus major Nobody", "Nobody", "Parus major", "species", "accepted")]
    outcome = ask("dwca", in_zip(tmp_path / "a.zip", dwca(rows)), ["Parus major"])
    assert outcome.refused == ["Parus major"]
    assert "is the accepted name of 2 taxa: Parus major (species 2487885, " in outcome.remarks[0]
    assert "Parus major (species 99, " in outcome.remarks[0]


def test_a_missing_rank_is_a_gap(ncbi):
    names = ["Hyliota flavigaster", "Parus major"]
    with pytest.raises(
        HiertaxError, match=r"1 of 2 lineages have a gap, the first at level 'family' of Passeriformes >"
    ):
        ask("ncbi", ncbi, names)
    outcome = ask("ncbi", ncbi, names, ragged="fill")
    assert lineages(outcome)["Hyliota flavigaster"][1] == "Hyliota (family)"
    gap = table(outcome.evidence)[1]
    assert (gap["level"], gap["taxon"], gap["stands_on"]) == ("family", "", "gap")


def test_a_genus_among_species_has_a_gap_below(ncbi):
    outcome = ask("ncbi", ncbi, ["Cyanistes", "Parus major"], ragged="fill")
    assert lineages(outcome)["Cyanistes"] == ("Passeriformes", "Paridae", "Cyanistes", "Cyanistes (species)")


def test_a_name_not_found_is_refused_and_the_nearest_is_named(ncbi):
    outcome = ask("ncbi", ncbi, ["Parus majo", "Cyanistes caerulus", "Garus major", "Zzz qqq", "Parus major"])
    assert outcome.refused == ["Parus majo", "Cyanistes caerulus", "Garus major", "Zzz qqq"]
    assert outcome.remarks == [
        "Parus majo: not found; the nearest name is 'Parus major'; placed nowhere",
        "Cyanistes caerulus: not found; the nearest name is 'Cyanistes caeruleus'; placed nowhere",
        "Garus major: not found; the nearest name is 'Parus major'; placed nowhere",
        "Zzz qqq: not found; placed nowhere",
    ]


def test_two_names_of_one_taxon_are_told(ncbi):
    outcome = ask("ncbi", ncbi, ["Parus caeruleus", "Cyanistes caeruleus"])
    assert "Cyanistes caeruleus (species 156563, Metazoa > Aves > Paridae > Cyanistes) answers for 2 classes" in (
        outcome.remarks
    )


def test_a_rank_that_the_archive_lacks_is_refused_with_the_likeliest(ncbi):
    with pytest.raises(HiertaxError, match=r"has the rank 'famly'; is 'family' meant\?"):
        ask("ncbi", ncbi, ["Parus major"], ("famly", "species"))


def test_the_rank_domain_is_found_under_the_name_it_had_before(ncbi):
    assert lineages(ask("ncbi", ncbi, ["Parus major"], ("domain", "species")))["Parus major"][0] == "Eukaryota"


@pytest.mark.parametrize("written", [f"Quercus {sign}rosacea" for sign in (f"{X} ", "x ", X, "X ")])
@pytest.mark.parametrize("kind", ["ncbi", "dwca"])
def test_hybrids_are_found_however_their_sign_is_written(written, kind, tmp_path):
    path = in_zip(tmp_path / "a.zip", taxdump() if kind == "ncbi" else dwca())
    outcome = ask(kind, path, [written], ("family", "genus", "species"))
    assert lineages(outcome)[written] == ("Fagaceae", "Quercus", written)
    assert table(outcome.evidence)[2]["answered"] == f"Quercus {X} rosacea"


def test_a_hybrid_without_its_sign_is_another_name(tmp_path):
    outcome = ask("dwca", in_zip(tmp_path / "a.zip", dwca()), ["Quercus rosacea"])
    assert f"the nearest name is 'Quercus {X} rosacea'" in outcome.remarks[0]


@pytest.mark.parametrize(
    ("written", "bare"),
    [
        ("Parus major Linnaeus, 1758", "Parus major"),
        ("Cyanistes caeruleus (Linnaeus, 1758)", "Cyanistes caeruleus"),
        ("Abies alba Mill. subsp. alba", "Abies alba subsp. alba"),
        ("Abies alba var. pendula (Carrière) Mast.", "Abies alba var. pendula"),
        (f"Quercus {X}rosacea Bechst.", f"Quercus {X} rosacea"),
        (f"{X} Cupressocyparis leylandii (A.B.Jacks. & Dallim.) Dallim.", f"{X} Cupressocyparis leylandii"),
        ("Strix (Ciccaba) virgata (Cassin, 1849)", "Strix virgata"),
        ("Rosa canina de Candolle", "Rosa canina"),
        ("Rosa d'orsayae van der Hoeven, 1822", "Rosa"),
        ("Isoëtes lacustris L.", "Isoëtes lacustris"),
        ("Capsella bursa-pastoris (L.) Medik.", "Capsella bursa-pastoris"),
        ("Parus", "Parus"),
        ("", ""),
    ],
)
def test_authorities_are_stripped(written, bare):
    assert without_authority(written) == bare


def test_names_given_with_their_authority_are_found(ncbi):
    outcome = ask("ncbi", ncbi, ["Parus major L.", "parus_major"[:5] + " MAJOR"])
    assert set(lineages(outcome).values()) == {(*TIT[:3], "Parus major L."), (*TIT[:3], "parus MAJOR")}


def test_names_in_either_normal_form_are_one_name():
    assert canonical("Isoe\u0308tes  lacustris ") == "Iso\u00ebtes lacustris"
    assert folded("Black-footed Albatross") == folded("black footed albatross")
    assert folded("Bewick\u2019s Wren") == folded("Bewicks wren")


# ---------------------------------------------------------------- the reviewed table, and what lies beside


def test_a_reviewed_lineage_stands_and_differences_are_listed(ncbi):
    reviewed = Subject("tit", "Parus major", "tit", ("Passeriformes", "Sylviidae", "Parus"), scientific="Parus major")
    outcome = ask("ncbi", ncbi, [reviewed, "Cyanistes caeruleus"])
    assert lineages(outcome)["tit"][1] == "Sylviidae"
    assert table(outcome.review) == [
        {"class": "tit", "level": "family", "reviewed": "Sylviidae", "source": "Paridae", "stands": "Sylviidae",
         "reason": "the reviewed table stands", "id": "9153"}
    ]  # fmt: skip
    assert outcome.hierarchy.source["from_table"] == ["tit"]
    assert outcome.remarks[0] == "tit: family Sylviidae in the table, Paridae in the archive; Sylviidae stands"


def test_the_source_says_archive_version_and_sum(ncbi, tmp_path):
    source = ask("ncbi", ncbi, ["Parus major"]).hierarchy.source
    assert (source["kind"], source["archive"], source["version"]) == ("ncbi", "taxdump.tar.gz", "2023-11-14")
    assert len(source["sha256"]) == 64
    folder = ask("ncbi", in_folder(tmp_path / "dump", taxdump()), ["Parus major"]).hierarchy.source
    assert set(folder["sha256"]) == {"names.dmp", "nodes.dmp"}
    backbone = ask("dwca", in_zip(tmp_path / "b.zip", dwca()), ["Parus major"]).hierarchy.source
    assert (backbone["kind"], backbone["version"]) == ("dwca", "2023-08-28")
    assert (
        ask("dwca", in_zip(tmp_path / "c.zip", coldp()), ["Cyanistes caeruleus"]).hierarchy.source["version"]
        == "2024-05"
    )


def test_the_root_is_the_nearest_taxon_that_all_share(ncbi):
    assert ask("ncbi", ncbi, ["Parus major", "Prunella modularis"]).hierarchy.root == "Aves"
    assert ask("ncbi", ncbi, ["Parus major", "Quercus x rosacea"], ("order", "species")).hierarchy.root == "Eukaryota"


def test_files_are_written_beside_each_other_and_are_the_same_again(ncbi, tmp_path):
    (tmp_path / "tits.txt").write_text("Parus major\nParus caeruleus\n")
    runner = CliRunner()
    for out in ("one.json", "two.json"):
        with runner.isolation():
            run(tmp_path / "tits.txt", "ncbi", ncbi, RANKS, command="hiertax build", out=tmp_path / out)
    one, two = ((tmp_path / name).read_bytes() for name in ("one.json", "two.json"))
    assert one == two
    assert json.loads(one)["name"] == "tits"
    assert Hierarchy.load(tmp_path / "one.json").sizes == (1, 1, 2, 2)
    assert (tmp_path / "one.evidence.csv").read_text().count("\n") == 1 + 2 * 4


def test_a_refused_class_gives_no_file(ncbi, tmp_path):
    (tmp_path / "tits.txt").write_text("Parus major\nParus nobody\n")
    with (
        CliRunner().isolation(),
        pytest.raises(HiertaxError, match=r"1 of 2 classes have no undoubted place: Parus nobody"),
    ):
        run(tmp_path / "tits.txt", "ncbi", ncbi, RANKS, out=tmp_path / "out.json", review=tmp_path / "review.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["review.csv", "taxdump.tar.gz", "tits.txt"]


# ---------------------------------------------------------------- Darwin Core's two ways to say what is above


def test_columns_of_ranks_make_the_tree_where_no_parent_is_named(tmp_path):
    path = in_zip(tmp_path / "a.zip", dwca(COLUMNS_ONLY))
    names = ["Parus major", "Prunella vulgaris", "Prunella modularis", "Hyliota flavigaster"]
    outcome = ask("dwca", path, names, ("order", "family", "species"), ragged="fill")
    assert lineages(outcome) == {
        "Parus major": ("Passeriformes", "Paridae", "Parus major"),
        "Prunella vulgaris": ("Lamiales", "Lamiaceae", "Prunella vulgaris"),
        "Prunella modularis": ("Passeriformes", "Prunellidae", "Prunella modularis"),
        "Hyliota flavigaster": ("Passeriformes", "Hyliota flavigaster (family)", "Hyliota flavigaster"),
    }
    genus = ask("dwca", path, ["Parus"], ("order", "family", "genus"))
    assert [row["id"] for row in table(genus.evidence)] == ["", "", "e"]  # only the genus has a row of its own
    assert ask("dwca", path, ["Prunella"], ("order", "genus"), within="Plantae").hierarchy.levels[0].labels == (
        "Lamiales",
    )


def test_a_parent_that_is_a_synonym_is_followed(tmp_path):
    rows = [row if row[0] != "2487885" else (row[0], "5b", *row[2:]) for row in BACKBONE]
    rows.append(("5b", "9327", "24", "Parus Nobody", "Nobody", "Parus", "genus", "synonym"))
    assert lineages(ask("dwca", in_zip(tmp_path / "a.zip", dwca(rows)), ["Parus major"])) == {"Parus major": TIT}


def test_a_parent_that_is_not_there_is_no_gap_but_a_refusal(tmp_path):
    rows = [row for row in BACKBONE if row[5] != "Paridae"]
    outcome = ask("dwca", in_zip(tmp_path / "a.zip", dwca(rows)), ["Parus major"], ragged="fill")
    assert outcome.refused == ["Parus major"]
    assert "an ancestor of Parus major (species 2487885, Parus) is not in the archive" in outcome.remarks[0]


def test_a_synonym_of_nothing_is_refused(tmp_path):
    rows = [*BACKBONE, ("99", "", "4711", "Parus ater L.", "L.", "Parus ater", "species", "synonym")]
    outcome = ask("dwca", in_zip(tmp_path / "a.zip", dwca(rows)), ["Parus ater"])
    assert "is a synonym of a taxon that the archive lacks" in outcome.remarks[0]


def test_a_taxon_that_is_its_own_ancestor_is_refused_in_finite_time(tmp_path):
    nodes = [node if node[0] != 9126 else (9126, 9153, *node[2:]) for node in NODES]
    with pytest.raises(HiertaxError, match="more than 500 ancestors or is its own"):
        ask("ncbi", in_zip(tmp_path / "a.zip", taxdump(nodes)), ["Parus major"], ("kingdom", "species"))


# ---------------------------------------------------------------- archives of another form


OWN = "9157\t|\tParus major\t|\t\t|\tscientific name"


def _without(files, name):
    return {key: content for key, content in files.items() if key != name}


def _changed(files, name, old, new):
    content = files[name] if isinstance(files[name], str) else files[name].decode()
    assert old in content
    return {**files, name: content.replace(old, new)}


@pytest.mark.parametrize(
    ("kind", "files", "message"),
    [
        ("ncbi", _without(taxdump(), "nodes.dmp"), "holds no nodes.dmp"),
        ("ncbi", _without(taxdump(), "names.dmp"), "holds no names.dmp"),
        ("ncbi", {**taxdump(), "names.dmp": ""}, "names.dmp"),
        ("ncbi", {**taxdump(), "names.dmp": taxdump()["names.dmp"][:-30]}, "names.dmp, line 30: the columns are not"),
        ("ncbi", {**taxdump(), "nodes.dmp": taxdump()["nodes.dmp"][:-400]}, "names.dmp names|line"),
        ("ncbi", {**taxdump(), "nodes.dmp": taxdump()["nodes.dmp"].replace("\t|", ",")}, "nodes.dmp: not NCBI's form"),
        ("ncbi", _changed(taxdump(), "nodes.dmp", "9157\t|\t9156", "x\t|\t9156"), "nodes.dmp: not NCBI's form"),
        ("ncbi", _changed(taxdump(), "nodes.dmp", "9157\t|\t9156", "1e300\t|\t9156"), "nodes.dmp: not NCBI's form"),
        ("ncbi", _changed(taxdump(), "nodes.dmp", "9157\t|\t9156", "9156\t|\t9156"), "the id 9156 is there twice"),
        ("ncbi", _changed(taxdump(), "names.dmp", OWN, OWN[:-15] + "synonym"),
         "taxon 9157 has no scientific name"),
        ("dwca", _without(dwca(), "Taxon.tsv"), "holds no Taxon.tsv, which meta.xml names"),
        ("dwca", _without(dwca(), "meta.xml"), "holds neither meta.xml"),
        ("dwca", _changed(dwca(), "meta.xml", "taxonRank", "taxonRemarks"), "has no column taxonRank"),
        ("dwca", _changed(dwca(), "meta.xml", "Taxon\">", "Occurrence\">"), "its core is of Occurrence"),
        ("dwca", _changed(dwca(), "meta.xml", "</archive>", ""), "meta.xml: broken XML"),
        ("dwca", _changed(dwca(), "meta.xml", "<archive", "<!DOCTYPE a><archive"), "declares entities"),
        ("dwca", _changed(dwca(), "meta.xml", 'index="3"', 'index="minus"'), "is no place of a column"),
        ("dwca", _changed(dwca(), "meta.xml", "UTF-8", "UTF-9"), "unknown encoding: UTF-9"),
        ("dwca", _changed(dwca(), "meta.xml", 'index="7"', 'index="70"'), "Taxon.tsv"),
        ("dwca", {**dwca(), "Taxon.tsv": dwca()["Taxon.tsv"].decode()[:-30]}, "Taxon.tsv: its last row is cut short"),
        ("dwca", {**dwca(), "Taxon.tsv": dwca()["Taxon.tsv"].replace(b"Aves", b"\xff")}, "Taxon.tsv: not utf-8"),
        ("dwca", dwca([*BACKBONE, BACKBONE[-1]]), "the id 8 is there twice"),
        ("dwca", dwca([*BACKBONE, ("", *BACKBONE[-1][1:])]), "row 16 has no id"),
        ("dwca", _changed(coldp(), "NameUsage.tsv", "col:rank", "col:rnk"), "has no column 'rank'"),
        ("dwca", _without(coldp_in_three(), "Taxon.tsv"), "nor Name and Taxon"),
        ("dwca", _changed(coldp_in_three(), "Taxon.tsv", "n7XCC", "n0"), "Name has no row 'n0'"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("pack", [in_zip, in_folder])
def test_archives_of_another_form_are_refused_in_one_line(kind, files, message, pack, tmp_path):
    path = pack(tmp_path / "archive", files)
    with pytest.raises(HiertaxError, match=message) as refused:
        ask(kind, path, ["Parus major"])
    assert str(path) in str(refused.value)
    assert str(refused.value).count(str(path)) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            clements([tuple(name.replace("category", "kind") for name in CLEMENTS[0]), *CLEMENTS[1:]]),
            "no column 'category'",
        ),
        (clements([tuple(name.replace("family", "fam") for name in CLEMENTS[0]), *CLEMENTS[1:]]), "no column 'family'"),
        (clements()[:-40], "its last row is cut short"),
        (clements().rstrip() + b"\ra,b", "its last row is cut short"),
        (clements([CLEMENTS[0], CLEMENTS[6]]), "no row of category 'species'"),
        (clements(CLEMENTS[:1]), "no row of category 'species'"),
        (clements(encoding="utf-16"), "NUL bytes"),
        (clements() + b'9,"open quote\n', "no CSV of one header and equal rows"),
        (
            clements([tuple(list(row) + ["more"] * (i > 0)) for i, row in enumerate(CLEMENTS)]),
            "equal rows.*Length of header",
        ),
        (b"", "no CSV"),
    ],
)
def test_other_csv_files_than_clements_are_refused(content, message, tmp_path):
    (tmp_path / "clements.csv").write_bytes(content)
    with pytest.raises(HiertaxError, match=message):
        ask("clements", tmp_path / "clements.csv", ["Struthio camelus"])


def test_a_parent_that_a_package_of_one_taxon_lacks_is_no_parent(tmp_path):
    rows = [("ID", "parentID", "status", "scientificName", "rank"), ("1", "9", "accepted", "Parus major", "species")]
    with pytest.raises(HiertaxError, match="no taxon of the archive has the rank 'genus'"):
        ask("dwca", in_zip(tmp_path / "a.zip", coldp(rows)), ["Parus major"], ("genus", "species"))


# ---------------------------------------------------------------- the command line


def hiertax(*args):
    return CliRunner().invoke(main, ["build", *map(str, args)], prog_name="hiertax")


def test_the_command_builds_and_rebuilds(ncbi, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "birds.txt").write_text("Prunella\nHyliota\n")
    line = ("--names", "birds.txt", "--levels", "order,family,genus", "--source", "ncbi", "--archive", ncbi.name)
    line += ("--within", "Aves", "--ragged", "fill")
    done = hiertax(*line)
    assert (done.exit_code, done.stdout) == (0, f"{'hierarchies/birds.json'}: Aves > 1 order, 2 family, 2 genus\n")
    assert "--ragged fill: lineages with a gap: 1; taxa added: 1" in done.stderr
    written = json.loads((tmp_path / "hierarchies" / "birds.json").read_text())
    command = shlex.split(written["source"]["command"])
    assert command[:2] == ["hiertax", "build"]
    assert hiertax(*command[2:], "--out", "again.json").exit_code == 0
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "hierarchies" / "birds.json").read_bytes()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("--source", "ncbi", "--names", "birds.txt", "--levels", "order,genus"), "--source ncbi needs --archive"),
        (
            ("--source", "ncbi", "--dataset", "cub"),
            "--source ncbi goes with a list of names looked up on the disk, not",
        ),
        (("--archive", "birds.txt", "--dataset", "cub"), "--archive goes with a list of names looked up on the disk"),
    ],
)
def test_wrong_usage_is_told_in_one_line(line, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "birds.txt").write_text("Prunella\n")
    done = hiertax(*line)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_command_takes_qualify_and_says_what_it_did(ncbi, tmp_path):
    names, out = tmp_path / "names.txt", tmp_path / "out.json"
    names.write_text("Prunella modularis\nPrunella vulgaris\n")
    args = ("--names", names, "--levels", ",".join(RANKS), "--source", "ncbi", "--archive", ncbi, "--out", out)
    refused = hiertax(*args)
    assert refused.exit_code == 1
    assert "--qualify" in refused.stderr
    done = hiertax(*args, "--qualify")
    assert done.exit_code == 0, done.stderr
    assert "names told apart by their parents: 2" in done.stderr
    assert Hierarchy.load(out).sizes == (2, 2, 2, 2)
    assert "--parents goes with" in hiertax(*args, "--parents", "first").stderr
