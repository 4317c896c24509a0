"""What a reader leaves out, merges or cannot know is said or refused, whatever reads the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from taxonomy import formats
from taxonomy.cli import main
from taxonomy.errors import HierarchyError, HiertaxError
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions
from taxonomy.ranks import is_placeholder
from taxonomy.selection import select
from taxonomy.sources.subjects import read_names
from taxonomy.validation import validate

EDGES = ("Bird,Duck", "Bird,Owl", "Duck,Teal", "Owl,Barn owl")


def read(text: str, kind: str = "lineage-csv", **settings: object) -> tuple[Hierarchy, str]:
    reading = ImportOptions(**settings)  # type: ignore[arg-type]
    return formats.decode(text.encode(), kind, reading), "; ".join(reading.notes)


def rules(tmp_path: Path, text: str, suffix: str = ".csv") -> dict[str, str]:
    file = tmp_path / f"in{suffix}"
    file.write_text(text)
    return {finding.rule: str(finding) for finding in validate(file).findings}


# ---------------------------------------------------------------- headers that stand elsewhere


@pytest.mark.parametrize("again", ["order,species", "Order, SPECIES"])
def test_a_header_in_the_middle_is_no_class(again: str, tmp_path: Path) -> None:
    text = f"order,species\nA,x\nA,y\n{again}\nB,z\n"
    hierarchy, said = read(text)
    assert (hierarchy.sizes, said) == ((2, 3), "rows that repeat the header passed over: 1")
    assert "rows that repeat the header passed over: 1" in rules(tmp_path, text)["assumed"]


def test_a_header_of_children_and_parents_in_the_middle_is_no_taxon() -> None:
    hierarchy, said = read("child,parent\nA,\nx,A\nchild,parent\ny,A\n", "parent-child-csv")
    assert (hierarchy.classes, said) == (("x", "y"), "rows that repeat the header passed over: 1")


def test_a_row_like_a_first_row_that_may_be_data_is_kept() -> None:
    with pytest.raises(HierarchyError, match="'mammal' in the header is rather a taxon"):
        read("mammal,cat\nmammal,cat\nbird,gull\n")


@pytest.mark.parametrize("title", ["# birds of Europe, by order", "Birds,of Europe"])
def test_a_header_below_a_title_is_told(title: str, tmp_path: Path) -> None:
    text = f"{title}\norder,species\nA,x\nA,y\n"
    with pytest.raises(HierarchyError, match=r"line 2: 'order, species' reads like a header; begin with one line"):
        read(text)
    assert "bad-header" in rules(tmp_path, text)


@pytest.mark.parametrize("levels", [None, ("order", "species")])
def test_a_header_that_is_said_to_be_none_is_told(levels: tuple[str, ...] | None) -> None:
    with pytest.raises(HierarchyError, match=r"line 1: 'order, species' reads like a header"):
        read("order,species\nA,x\nA,y\n", header=False, levels=levels)


def test_without_a_header_columns_finest_first_need_one() -> None:
    with pytest.raises(HierarchyError, match=r"'species' stands before 'family'.*write the names of the levels as a"):
        read("a b,F\nc d,G\n", header=False, levels=("species", "family"))


def test_the_line_that_tells_excel_the_separator_is_no_header() -> None:
    hierarchy, said = read("sep=;\r\norder;species\r\nA;x\r\nA;y\r\n")
    assert hierarchy.sizes == (1, 2)
    assert said == "comment lines passed over: 1; cells are separated by semicolons (';')"


def test_a_workbook_of_an_old_excel_is_told() -> None:
    with pytest.raises(HierarchyError, match=r"old Excel, no text; save it as .xlsx"):
        formats.decode(bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 99, "lineage-csv", ImportOptions())


# ---------------------------------------------------------------- columns beside lineages and edges


def test_columns_beside_whole_lineages_are_named_and_counted() -> None:
    said = read("id\tTaxon\tConfidence\nx\tk__A;p__B\t1\ny\tk__A;p__C\t2\n")[1]
    assert "columns beside the lineages passed over: id, Confidence" in said
    header = ",".join(["taxonomy", *(f"S{k}" for k in range(9))])
    said = read(f"{header}\nA;B;c{',1' * 9}\nA;B;d{',2' * 9}\n")[1]
    assert "columns beside the lineages passed over: S0, S1, S2, S3, S4 and 4 more" in said


@pytest.mark.parametrize("name", ["class", "Class", "class_name"])
def test_class_names_beside_whole_lineages_are_kept(name: str, tmp_path: Path) -> None:
    text = f"{name},lineage\n001,k__A;c__B;s__x\n002,k__A;c__B;s__y\n"
    hierarchy, said = read(text)
    assert [level.name for level in hierarchy.levels] == ["kingdom", "class", "species"]
    assert hierarchy.classes == ("001", "002")
    assert f"column '{name}' is read as the dataset's class names" in said
    assert "not-importable" not in rules(tmp_path, text)


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_edges_are_found_among_other_columns_by_their_header(sign: str, tmp_path: Path) -> None:
    rows = ["Source,Target,Type,Weight", *(f"{edge},Directed,1" for edge in EDGES)]
    text = "\n".join(rows).replace(",", sign) + "\n"
    hierarchy, said = read(text, "edges")
    assert (hierarchy.root, hierarchy.sizes) == ("Bird", (2, 2))
    assert said == "columns beside the ends of edges passed over: Type, Weight; read as an edge list, parent then child"
    with pytest.raises(HierarchyError, match="read it by `hiertax build --from edges`"):
        read(text)
    assert "two-parents" not in rules(tmp_path, text)


def test_the_index_of_a_frame_of_edges_is_no_end() -> None:
    rows = [",target,source", *(f"{k},{','.join(edge.split(',')[::-1])}" for k, edge in enumerate(EDGES))]
    assert read("\n".join(rows), "edges")[0].root == "Bird"


def test_a_numbered_outline_is_no_table(tmp_path: Path) -> None:
    text = "1 Birds\n1.1 Gulls\n1.1.1 Kittiwake\n1.2 Auks\n1.2.1 Puffin\n"
    with pytest.raises(HierarchyError, match="read it by `hiertax build --from outline`"):
        read(text)
    file = tmp_path / "birds.txt"
    file.write_text(text)
    assert formats.load(file).sizes == (2, 2)
    assert read("1. Birds\n2. Gulls\n3. Auks\n")[0].sizes == (2,)


# ---------------------------------------------------------------- JSON, placeholders, names to look up


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("nested-json", '{"Duck": ["Teal"], "Duck": ["Mallard"]}'),
        ("nested-json", '{"name": "r", "children": [{"name": "a"}], "children": [{"name": "b"}]}'),
        ("node-link", '{"directed": true, "nodes": [{"id": "r", "id": "q"}], "links": []}'),
    ],
)
def test_a_key_that_is_twice_in_an_object_is_refused(kind: str, text: str) -> None:
    with pytest.raises(HierarchyError, match=r"^the key '\w+' is there twice in one object; keep one"):
        read(text, kind)


@pytest.mark.parametrize("word", ["#VALUE!", "#REF!", "#NAME?", ".", "_", "/", "incertae-sedis", "not specified"])
def test_errors_of_spreadsheets_and_bare_signs_are_gaps(word: str) -> None:
    assert is_placeholder(word)


@pytest.mark.parametrize("name", ["empty", "blank", "Other", "x", "0"])
def test_what_may_be_a_class_of_camera_traps_is_a_name(name: str) -> None:
    assert not is_placeholder(name)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("class,family\na,F\n", "line 2: part of a lineage; fill order too, or leave all levels empty"),
        ("class,order,family\na,O,F\nb,O,\n", "line 3: part of a lineage; fill family too"),
        ("class,scientific_name\na,Larus b, 1763\n", "line 2: more cells than columns; put names that hold commas"),
    ],
)
def test_a_verdict_that_would_be_dropped_is_refused(rows: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "names.csv"
    file.write_text(rows)
    with pytest.raises(HiertaxError) as error:
        read_names(file, ("order", "family", "species"))
    assert message in str(error.value)


# ---------------------------------------------------------------- what has no name


def test_an_id_that_is_a_parent_and_has_no_row_is_no_root(tmp_path: Path) -> None:
    """Though a name that is no child is: nobody knows what the number 1 is called."""
    ids = "id,parent,name\n2,1,Duck\n3,2,Teal\n4,2,Mallard\n"
    with pytest.raises(HierarchyError, match="no taxon '1', yet it is a parent; give it a row"):
        read(ids, "parent-child-csv")
    assert "parent '1' of 1 taxa has no row of its own" in rules(tmp_path, ids)["orphan"]
    names = "child,parent\nDuck,Bird\nTeal,Duck\nMallard,Duck\n"
    assert read(names, "parent-child-csv")[0].root == "Bird"
    assert "orphan" not in rules(tmp_path, names)


def test_several_taxa_without_a_parent_are_said_to_be_the_coarsest_level() -> None:
    hierarchy, said = read("child,parent\nDuck,\nOwl,\nTeal,Duck\nBarn owl,Owl\n", "parent-child-csv")
    assert (hierarchy.sizes, said) == ((2, 2), "taxa without a parent, taken for the coarsest level: 2")


# ---------------------------------------------------------------- what an error says


def test_a_class_outside_of_the_clade_is_told_from_an_unknown_one() -> None:
    whole, _ = read("order,species\nA,x\nA,y\nB,z\n")
    assert select(whole, within="A", classes=["y"]).classes == ("y",)
    with pytest.raises(HierarchyError, match="`classes`: 'z' is not within 'A'; leave it out"):
        select(whole, within="A", classes=["x", "z"])
    with pytest.raises(HierarchyError, match="`classes`: no class 'q' in hierarchy"):
        select(whole, within="A", classes=["x", "q"])


def test_an_error_ends_with_what_was_assumed(tmp_path: Path) -> None:
    file = tmp_path / "in.csv"
    file.write_text("genus;class\nLarus;gull\nLarus;tern\n")
    result = CliRunner().invoke(main, ["build", "--csv", str(file), "--out", str(tmp_path / "out.json")])
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert line.endswith("column 'class' is read as the dataset's class names)")
