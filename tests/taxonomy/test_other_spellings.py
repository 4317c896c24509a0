"""The same faults in other spellings, signs and readers: read rightly, with a word, or refused; by `validate` alike."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from taxonomy import formats
from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions
from taxonomy.ranks import is_placeholder, rank_of
from taxonomy.validation import Report, validate

Tree = dict[str, object]


def read(content: str | bytes, kind: str = "lineage-csv", **settings: object) -> tuple[Hierarchy, str]:
    """Return the hierarchy of a file, and what was said about it."""
    reading = ImportOptions(**settings)  # type: ignore[arg-type]
    hierarchy = formats.decode(content if isinstance(content, bytes) else content.encode(), kind, reading)
    return hierarchy, "; ".join(reading.notes)


def checked(tmp_path: Path, content: str | bytes, suffix: str = ".csv") -> Report:
    """Return what `validate` says of a file."""
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return validate(path)


def sizes(report: Report) -> tuple[int, ...]:
    assert report.sound(), report.to_text()
    return tuple(size for _, size in report.levels)


def rules(report: Report) -> dict[str, str]:
    return {finding.rule: finding.message for finding in reversed(report.findings)}


# ---------------------------------------------------------------- columns of tables


def test_a_class_of_several_orders_is_a_rank_whatever_its_name(tmp_path: Path) -> None:
    text = "phylum,class,order\nP,TK10,a\nP,TK10,b\nP,Subgroup_6,c\n"
    hierarchy, said = read(text)
    assert ([level.name for level in hierarchy.levels], hierarchy.sizes) == (["phylum", "class", "order"], (1, 2, 3))
    assert "the rank" in said
    assert sizes(checked(tmp_path, text)) == (1, 2, 3)


@pytest.mark.parametrize("kind", ["lineage-csv", "parquet", "xlsx"])
@pytest.mark.parametrize(
    ("column", "cells"),
    [("id", ["1", "2", "3"]), ("path", ["a/1.jpg", "a/2.JPG", "b/1.png"]), ("index", ["0.0", "1.0", "2.0"])],
)
def test_numbers_of_rows_and_paths_of_images_are_no_level(kind: str, column: str, cells: list[str]) -> None:
    frame = pd.DataFrame({column: cells, "family": ["F", "F", "G"], "species": ["a", "b", "c"]})
    out = io.BytesIO()
    {"lineage-csv": frame.to_csv, "parquet": frame.to_parquet, "xlsx": frame.to_excel}[kind](out, index=False)  # type: ignore[operator]
    hierarchy, said = read(out.getvalue(), kind)
    assert hierarchy.sizes == (2, 3)
    assert said.endswith(f"say `levels` if one is a level: {column}")


def test_what_is_measured_at_the_end_is_no_level_but_numbers_may_be(tmp_path: Path) -> None:
    assert read("family,species,count\nF,a,12\nF,b,12\n")[0].sizes == (1, 2)
    assert sizes(checked(tmp_path, "family,species,score\nF,a,.5\nF,b,0.75\n".replace(",.5", ",0.5"))) == (1, 2)
    assert read("coarse,fine\nfish,32\nfish,1\ntree,47\n")[0].sizes == (2, 3)
    assert read("level 1,level 2\n0,1\n0,2\n1,3\n")[0].sizes == (2, 3)
    assert read("maker,model,year\nA,x,2011\nA,y,2012\n", levels=("maker", "model", "year"))[0].sizes == (1, 2, 2)


def test_an_index_that_was_saved_twice_is_passed_over() -> None:
    hierarchy, said = read("Unnamed: 0.1,Unnamed: 0,family,species\n0,0,F,a\n1,1,G,b\n")
    assert (hierarchy.sizes, said) == ((2, 2), "columns without a name that number the rows passed over: 2")


@pytest.mark.parametrize("header", ["species,genera,families", "Species name,Family name,x", "genus_label,Orders,x"])
def test_ranks_are_known_by_their_plural_and_beside_other_words(header: str, tmp_path: Path) -> None:
    text = f"{header}\na b,a,F1\nc d,c,F2\n"
    with pytest.raises(HierarchyError, match="the ranks are not in order"):
        read(text)
    assert "rank-order" in rules(checked(tmp_path, text))
    assert [rank_of(name) for name in ("Phyla", "Species (scientific)", "common name", "sub family")] == [
        "phylum", "species", None, None,
    ]  # fmt: skip


def test_a_tree_upside_down_without_ranks_is_told_by_its_sizes() -> None:
    with pytest.raises(HierarchyError, match=r"'cat' has two parents.*if the levels stand finest first, name them"):
        read("breed,animal\nManx,cat\nTabby,cat\n")


def test_a_header_that_stands_to_its_neighbour_as_all_rows_do_is_data(tmp_path: Path) -> None:
    text = "Anas,Anas crecca\nStrix,Strix aluco\n"
    with pytest.raises(HierarchyError, match="'Anas crecca' in the header is rather a taxon"):
        read(text)
    assert "header-is-data" in rules(checked(tmp_path, text))
    assert read(text, header=False)[0].sizes == (2, 2)


def test_two_taxa_of_one_name_are_told_with_both_lineages() -> None:
    text = "kingdom,family,genus\nPlantae,Lamiaceae,Prunella\nAnimalia,Prunellidae,Prunella\n"
    with pytest.raises(
        HierarchyError, match=r"\(Plantae > Lamiaceae > Prunella \| Animalia > Prunellidae > Prunella\)"
    ):
        read(text)


def test_one_class_of_many_rows_is_counted_in_the_singular() -> None:
    assert read("a,b\nx,y\nx,y\n")[1] == "equal rows are one class: 2 rows, 1 class"


# ---------------------------------------------------------------- words that are no names


@pytest.mark.parametrize(
    "word",
    ["#N/A", "n.d.", "Not assigned", "unspecified", "uncultured", "Unknown_Family", "family incertae sedis", "\\N",
     "...", "Ambiguous_taxa", "undet.", "g__", "D_5__", '"NA"', "[Unclassified genus]", "unidentified bacterium"],
)  # fmt: skip
def test_other_words_that_name_no_taxon_are_gaps(word: str, tmp_path: Path) -> None:
    assert is_placeholder(word)
    text = f"order\tfamily\tspecies\nO\t{word}\ta\nO\t{word}\tb\n".replace('"', '""').replace('""NA""', '"""NA"""')
    assert read(text, ragged="fill")[0].distance([0], [1]) == [4]
    assert "placeholder-name" in rules(checked(tmp_path, text))
    content = json.dumps({"r": {word: ["a", "b"], "G": ["c"]}})
    assert "taken as gaps: 1" in read(content, "nested-json", ragged="fill")[1]


def test_names_with_such_words_are_names() -> None:
    words = ["Unclassified Bacteria", "Unknownidae", "uncultured Chloroflexi", "family", "g__Larus", "other", "x"]
    assert not any(map(is_placeholder, words))


# ---------------------------------------------------------------- lineages in one cell


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("taxonomy\nK__A;P__B\nK__A;P__C\n", (1, 2)),
        ("lineage\nA > B > c\nA > D > e\n", (1, 2, 2)),
        ("id\tclassification\n1\tA/B/c\n2\tA/D/e\n", (1, 2, 2)),
        ("id\tlineage\n1\tA,B,c\n2\tA,D,e\n", (1, 2, 2)),
        ("path\n/A/B/c\n/A/D/e\n", (1, 2, 2)),
        ("S1\tA(100);B(99);c(98);\nS2\tA(100);B(97.5);d(90);\n", (1, 1, 2)),
        ("A;\t2\tdomain\t\nA;B;\t3\tphylum\t\nA;C;\t4\tphylum\t\n", (1, 2)),
    ],
)
def test_lineages_are_split_at_other_signs(text: str, expected: tuple[int, ...], tmp_path: Path) -> None:
    hierarchy, said = read(text)
    assert hierarchy.sizes == expected
    assert "split at" in said
    assert sizes(checked(tmp_path, text, ".txt")) == expected


@pytest.mark.parametrize(
    "text", ["taxon\nGull/Tern\nAuk\n", 'taxon\n"Gull, Herring"\n"Tern, Arctic"\n', "path\na/1.jpg\n"]
)
def test_signs_that_names_may_hold_split_nothing(text: str) -> None:
    assert read(text)[0].depth == 1


KRAKEN = (
    " 50.00\t500\t500\tU\t0\tunclassified\n 50.00\t500\t10\tR\t1\troot\n 49.00\t490\t0\tD\t2\t  Bacteria\n"
    " 30.00\t300\t300\tS\t562\t    Escherichia coli\n 19.00\t190\t190\tS\t1280\t    Staphylococcus aureus\n"
)


@pytest.mark.parametrize("suffix", [".txt", ".tsv", ".report", ".kreport"])
def test_a_report_of_kraken_is_refused_with_what_to_do(suffix: str, tmp_path: Path) -> None:
    for settings in ({}, {"header": False}, {"levels": ("a", "b")}):
        with pytest.raises(
            HierarchyError, match=r"a report of Kraken.*`grep -v unclassified FILE \| cut -f6`.*outline"
        ):
            read(KRAKEN, **settings)  # type: ignore[arg-type]
    assert "a report of Kraken" in rules(checked(tmp_path, KRAKEN, suffix))["not-importable"]
    with pytest.raises(HierarchyError, match="line 1: a tab within a name, so this is rather a table"):
        read(KRAKEN, "outline")
    done = subprocess.run(["sh", "-c", "grep -v unclassified | cut -f6"], input=KRAKEN, capture_output=True, text=True)  # noqa: S607
    hierarchy, _ = read(done.stdout, "outline")
    assert (hierarchy.root, hierarchy.sizes) == ("root", (1, 2))


def test_sequences_are_no_table(tmp_path: Path) -> None:
    text = ">AB1.1 Bacteria;Firmicutes;Bacilli\nACGT\n"
    with pytest.raises(HierarchyError, match="FASTA, no table"):
        read(text, header=False)
    assert not checked(tmp_path, text, ".txt").sound()


# ---------------------------------------------------------------- edges, parents and children

BIRDS = [("Bird", "Duck"), ("Bird", "Owl"), ("Duck", "Teal"), ("Owl", "Barn")]


@pytest.mark.parametrize("sign", [" ", "\t", ",", ";", "|"])
@pytest.mark.parametrize("header", ["", "source,target", "from,to"])
@pytest.mark.parametrize("numbers", [True, False])
def test_edges_are_known_by_their_links(sign: str, header: str, numbers: bool, tmp_path: Path) -> None:
    number = {name: str(i) for i, name in enumerate(dict.fromkeys(name for edge in BIRDS for name in edge))}
    pairs = [(number[a], number[b]) for a, b in BIRDS] if numbers else BIRDS
    text = "".join(f"{sign.join(line)}\n" for line in ([header.split(",")] if header else []) + pairs)
    with pytest.raises(HierarchyError, match="read it by `hiertax build --from edges`"):
        read(text)
    hierarchy, said = read(text, "edges")
    assert (hierarchy.sizes, said) == ((2, 2), "read as an edge list, parent then child")
    assert sizes(checked(tmp_path, text, ".csv" if sign in ",;" else ".txt")) == (2, 2)


def test_edges_with_the_data_that_networkx_adds_are_read(tmp_path: Path) -> None:
    import networkx as nx

    for sign in (" ", ",", "\t"):
        nx.write_edgelist(nx.DiGraph(BIRDS), tmp_path / "edges.txt", delimiter=sign)
        assert formats.load(tmp_path / "edges.txt").sizes == (2, 2)
        assert validate(tmp_path / "edges.txt").sound()


def test_a_tree_whose_edges_are_called_like_a_header_is_written_and_read() -> None:
    hierarchy = Hierarchy.from_lineages([("child", "target")], ("a", "b"), name="h", root="parent")
    assert read(formats.encode(hierarchy, "edges"), "edges", levels=("a", "b"))[0] == hierarchy


def test_names_of_numbers_may_stand_behind_a_colon_or_in_quotes() -> None:
    from taxonomy.formats.edges import names_of

    assert names_of('0: Birds\n1,"Ducks, all"\n2|Owls\nNCBI:3 Teal\n') == {
        "0": "Birds", "1": "Ducks, all", "2": "Owls", "NCBI:3": "Teal",
    }  # fmt: skip


@pytest.mark.parametrize(
    "header", ["id,parent_id,name", "node,parent,label", "child_id,Parent ID,child name", "taxid,parent_taxid,taxon",
               "taxonID,parentNameUsageID,scientificName"],
)  # fmt: skip
@pytest.mark.parametrize("top", ["", "0", "-1", "NULL", "NA", "1"])
def test_tables_of_numbers_and_parents_are_known_by_other_names(header: str, top: str, tmp_path: Path) -> None:
    text = f"{header}\n1,{top},Birds\n2,1.0,Gulls\n3,1.0,Auks\n4,2.0,Larus\n5,3.0,Uria\n"
    with pytest.raises(HierarchyError, match="--from parent-child-csv"):
        read(text)
    hierarchy, said = read(text, "parent-child-csv")
    assert (hierarchy.root, hierarchy.sizes, hierarchy.classes) == ("Birds", (2, 2), ("Larus", "Uria"))
    assert said == ("parents that name no other taxon, taken for none: 1" if top else "")
    assert sizes(checked(tmp_path, text)) == (2, 2)


def test_a_number_that_no_taxon_has_is_refused(tmp_path: Path) -> None:
    text = "id,parent,name\n1,,Birds\n2,1,Gulls\n3,7,Larus\n"
    with pytest.raises(HierarchyError, match="no taxon '7', yet it is a parent"):
        read(text, "parent-child-csv", ragged="fill")
    assert "orphan" in rules(checked(tmp_path, text))


# ---------------------------------------------------------------- trees in text


@pytest.mark.parametrize("value", ["98%", "nan", "NaN", "-1", "0.9/78%", "1e-3"])
def test_support_values_in_other_spellings_are_no_names(value: str) -> None:
    hierarchy, said = read(f"((a,b){value},(c,d){value})r;", "newick", name_inner=True)
    assert hierarchy.levels[0].labels == ("node 1", "node 2")
    assert "read as support values, not as names: 2" in said


@pytest.mark.parametrize(
    "text",
    [
        "# Bird\n## Duck\n### Teal\n## Owl\n### Barn\n",
        "# Bird\n\n- Duck\n  - Teal\n- Owl\n  - Barn\n",
        "* Bird\n** Duck\n*** Teal\n** Owl\n*** Barn\n",
        "Bird\n.Duck\n..Teal\n.Owl\n..Barn\n",
        "Bird\n+-- Duck\n|   \\-- Teal\n\\-- Owl\n    \\-- Barn\n",
        "1 Bird\n1.1 Duck\n1.1.1 Teal\n1.2. Owl\n1.2.1) Barn\n",
        "1. Bird\n  1. Duck\n    1. Teal\n  2. Owl\n    1. Barn\n",
    ],
)
def test_outlines_are_indented_in_other_ways(text: str, tmp_path: Path) -> None:
    hierarchy, _ = read(text, "outline")
    assert hierarchy.root == "Bird"
    assert [hierarchy.lineage(name) for name in hierarchy.classes] == [("Duck", "Teal"), ("Owl", "Barn")]
    assert sizes(checked(tmp_path, text, ".md")) == (2, 2)


def test_names_that_all_begin_with_numbers_are_not_written_as_an_outline() -> None:
    hierarchy = Hierarchy.from_lineages([("1 a", "2 b")], ("x", "y"), name="h", root="0 r")
    with pytest.raises(HierarchyError, match="names that all begin with numbers"):
        formats.encode(hierarchy, "outline")


@pytest.mark.parametrize(
    "content",
    [
        ["Bird", ["Duck", ["Teal"]], ["Owl", ["Barn"]]],
        {"name": "Bird", "children": [{"name": "Duck", "subclasses": [{"name": "Teal"}]}, {"name": "Owl"}]},
        [{"id": "1", "name": "Bird", "child_ids": ["2"]}, {"id": "2", "name": "Duck", "child_ids": []}],
        {"name": "Bird", "nodes": [{"name": "Duck"}]},
    ],
)
def test_children_under_another_key_or_in_plain_lists_are_not_lost(content: Tree | list[object]) -> None:
    for ragged in ("error", "fill"):
        with pytest.raises(HierarchyError, match=r"seems to hold taxa|a list in a list"):
            read(json.dumps(content), "nested-json", ragged=ragged)


# ---------------------------------------------------------------- variants


@pytest.mark.parametrize("sign", ["`", "\u00b4", "\u2032", "\u02bc", "\u2018"])
def test_quotes_of_other_kinds_make_no_other_name(sign: str, tmp_path: Path) -> None:
    report = checked(tmp_path, f"genus,species\nRosa,Rosa 'Peace'\nRosa,Rosa {sign}Peace{sign}\n")
    assert {"spelling-variant", "look-alike"} & set(report.counts)


# ---------------------------------------------------------------- data frames in Parquet


def test_the_index_of_a_data_frame_in_parquet_stands_first(tmp_path: Path) -> None:
    rows = pd.DataFrame({"order": ["O", "O", "P"], "species": ["a", "b", "c"], "image": ["1", "2", "3"]})
    rows.groupby(["order", "species"]).count().to_parquet(tmp_path / "counts.parquet")
    assert formats.load(tmp_path / "counts.parquet").sizes == (2, 3)
    rows[["order", "species"]].set_index(pd.Index([7, 3, 5])).to_parquet(tmp_path / "rows.parquet")
    reading = ImportOptions()
    assert formats.load(tmp_path / "rows.parquet", reading).sizes == (2, 3)
    assert reading.notes == ["columns without a name that number the rows passed over: 1"]


def test_columns_of_images_in_parquet_are_passed_over_and_named(tmp_path: Path) -> None:
    pd.DataFrame({"order": ["O", "P"], "image": [b"1", b"2"], "species": ["a", "b"]}).to_parquet(tmp_path / "t.parquet")
    reading = ImportOptions()
    assert formats.load(tmp_path / "t.parquet", reading).sizes == (2, 2)
    assert reading.notes == ["columns that hold neither text nor numbers passed over: image"]


def test_an_array_that_python_2_wrote_is_read_without_a_word() -> None:
    import numpy as np

    out = io.BytesIO()
    np.save(out, np.array([["a", "x"], ["b", "y"]]))
    old = out.getvalue().replace(b"(2, 2), }   ", b"(2L, 2L), } ")
    assert read(old, "hiclass")[0].sizes == (2, 2)


@pytest.mark.parametrize("kind", [kind for kind, fmt in formats.FORMATS.items() if fmt.read])
def test_what_would_be_read_as_a_gap_is_not_written(kind: str) -> None:
    above = Hierarchy.from_lineages([("NA", "a"), ("B", "b")], ("order", "species"), name="h", root="r")
    with pytest.raises(HierarchyError, match=f"{kind} cannot carry 'NA', which is read as a gap"):
        formats.encode(above, kind)
    leaf = Hierarchy.from_lineages([("A", "unknown"), ("B", "b")], ("order", "species"), name="h", root="r")
    if kind in ("lineage-csv", "parquet", "xlsx", "hiclass", "inat"):
        with pytest.raises(HierarchyError, match="cannot carry 'unknown'"):
            formats.encode(leaf, kind)
    else:
        assert formats.decode(formats.encode(leaf, kind), kind, ImportOptions()).classes == ("unknown", "b")
