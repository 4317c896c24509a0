"""Tables as people have them: read rightly, with a word on what was assumed, or refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from taxonomy import formats
from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions
from taxonomy.ranks import PLACEHOLDERS, is_placeholder
from taxonomy.validation import validate

BIRDS = [("O1", "F1", "a"), ("O1", "F1", "b"), ("O2", "F2", "c")]


def read(content: str | bytes, kind: str = "lineage-csv", **settings: object) -> tuple[Hierarchy, str]:
    """Return the hierarchy of a file, and what was said about it."""
    reading = ImportOptions(**settings)  # type: ignore[arg-type]
    data = content if isinstance(content, bytes) else content.encode()
    hierarchy = formats.decode(data, kind, reading)
    return hierarchy, "; ".join(reading.notes)


def lineages(hierarchy: Hierarchy) -> list[tuple[str, ...]]:
    return [hierarchy.lineage(name) for name in hierarchy.classes]


def found(tmp_path: Path, content: str | bytes, suffix: str = ".csv") -> dict[str, str]:
    """Return the rules that validate finds broken, each with its first message."""
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return {finding.rule: finding.message for finding in reversed(validate(path).findings)}


def table(rows: list[tuple[str, ...]], header: str = "order,family,species", sign: str = ",") -> str:
    return "\n".join([header.replace(",", sign), *(sign.join(row) for row in rows)]) + "\n"


# ---------------------------------------------------------------- a column called class

RANKS = "kingdom,phylum,class,order,family,genus,species"
ANIMALS = [
    ("Animalia", "Chordata", "Mammalia", "Primates", "Lemuridae", "Lemur", "Lemur catta"),
    ("Animalia", "Chordata", "Mammalia", "Rodentia", "Muridae", "Mus", "Mus musculus"),
    ("Animalia", "Chordata", "Aves", "Strigiformes", "Strigidae", "Strix", "Strix aluco"),
]


@pytest.mark.parametrize("header", [RANKS, RANKS.title(), RANKS.upper()])
def test_among_other_ranks_class_is_a_rank(header: str) -> None:
    hierarchy, said = read(table(ANIMALS, header))
    assert hierarchy.sizes == (1, 1, 2, 3, 3, 3, 3)
    assert "read as the rank" in said
    assert "class_column" in said


@pytest.mark.parametrize(
    ("header", "rows", "sizes"),
    [
        ("class,family,species", [("Mammalia", "Muridae", "Mouse"), ("Aves", "Strigidae", "Strix aluco")], (2, 2, 2)),
        ("class,species", [("Aves", "Owl"), ("Aves", "Rook"), ("Mammalia", "Mouse")], (2, 3)),
        ("kingdom,phylum,class", [("Animalia", "Chordata", "Aves"), ("Animalia", "Mollusca", "Bivalvia")], (1, 2, 2)),
        ("phylum,class,species", [("Chordata", "bird", "Owl"), ("Chordata", "beast", "Mouse")], (1, 2, 2)),
    ],
)  # fmt: skip
def test_class_is_a_rank_where_its_place_and_its_values_allow_it(
    header: str, rows: list[tuple[str, ...]], sizes: tuple[int, ...], tmp_path: Path
) -> None:
    hierarchy, said = read(table(rows, header))
    assert hierarchy.sizes == sizes
    assert "the rank" in said
    assert "the rank" in found(tmp_path, table(rows, header))["assumed"]


@pytest.mark.parametrize(
    ("header", "row", "other"),
    [
        ("class,family,species", ("001.Owl", "Strigidae", "Strix aluco"), ("002.Rook", "Corvidae", "Rook")),
        ("class,family,species", ("tawny owl", "Strigidae", "Strix aluco"), ("rook", "Corvidae", "Rook")),
        ("family,species,class", ("Strigidae", "Strix aluco", "Owl"), ("Corvidae", "Rook", "Raven")),
        ("group,kind,class", ("birds", "owl", "Owl"), ("birds", "rook", "Rook")),
        ("order,class,species", ("Strigiformes", "Owl", "Strix aluco"), ("Passeriformes", "Rook", "Rook")),
    ],
)
def test_class_holds_the_names_of_the_dataset_where_it_cannot_be_a_rank(
    header: str, row: tuple[str, ...], other: tuple[str, ...]
) -> None:
    hierarchy, said = read(table([row, other], header))
    at = header.split(",").index("class")
    assert hierarchy.classes == (row[at], other[at])
    assert "class" not in [level.name for level in hierarchy.levels]
    assert said == "column 'class' is read as the dataset's class names"


@pytest.mark.parametrize("header", ["superclass,class", "category,class", "root,group,class"])
def test_class_is_the_finest_level_where_nothing_else_tells_its_values_apart(header: str) -> None:
    pairs = [("fish", "flatfish"), ("fish", "shark"), ("fish", "shark"), ("trees", "oak"), ("trees", "maple")]
    rows = [("thing", *pair) if header.startswith("root") else pair for pair in pairs]
    hierarchy, said = read(table([*rows, rows[0]], header))
    assert lineages(hierarchy) == list(dict.fromkeys(pairs))
    assert [level.name for level in hierarchy.levels] == header.split(",")[-2:]
    assert "column 'class' is read as the finest level" in said


def test_a_label_that_a_few_classes_share_stays_a_mistake() -> None:
    rows = [("birds", f"kind {i // 2 if i < 2 else i}", f"name{i}") for i in range(6)]
    with pytest.raises(HierarchyError, match="kind 'kind 0' is listed twice"):
        read(table(rows, "group,kind,class"))


def test_the_class_column_that_is_asked_for_wins() -> None:
    text = table([("x1", "Aves", "Owl"), ("x2", "Mammalia", "Mouse")], "file,class,species")
    hierarchy, said = read(text, class_column="file")
    assert (hierarchy.classes, hierarchy.sizes, said) == (("x1", "x2"), (2, 2), "")
    assert read(text, class_column="class", levels=("species",))[0].classes == ("Aves", "Mammalia")
    with pytest.raises(HierarchyError, match="`class_column`: no column 'folder' in the header"):
        read(text, class_column="folder")


# ---------------------------------------------------------------- separators, encodings, line breaks


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "pipes")])
def test_the_separator_is_found_and_said(sign: str, name: str, tmp_path: Path) -> None:
    text = table(BIRDS, sign=sign)
    hierarchy, said = read(text)
    assert lineages(hierarchy) == BIRDS
    assert f"separated by {name}" in said
    assert name in found(tmp_path, text, ".tsv")["assumed"]
    assert read(text, delimiter=sign)[1] == ""


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_the_encoding_is_found_and_said(encoding: str, tmp_path: Path) -> None:
    rows = [("Strigiformes", "Käuze", "Waldkauz"), ("Passeriformes", "Krähen", "Dohle \u2013 schön")]
    content = table(rows).encode(encoding)
    hierarchy, said = read(content)
    assert lineages(hierarchy) == rows
    assert said == ("" if encoding == "utf-8-sig" else f"the text is read as {encoding}")
    assert "not-utf8" not in found(tmp_path, content)


def test_other_alphabets_are_told_where_the_text_is_long_enough() -> None:
    rows = [("Воробьинообразные", "Большая синица"), ("Совообразные", "Серая неясыть")]
    hierarchy, said = read(table(rows, "отряд,вид").encode("cp1251"))
    assert lineages(hierarchy) == rows
    assert "cp1251" in said


def test_the_encoding_that_is_asked_for_wins_or_is_refused() -> None:
    content = table([("Ж", "Д")], "order,species").encode("koi8-r")
    assert lineages(read(content, encoding="koi8-r")[0]) == [("Ж", "Д")]
    for wrong, reason in (("utf-8", "not utf-8 text"), ("klingon", "unknown"), ("hex", "unknown")):
        with pytest.raises(HierarchyError, match=reason):
            read(content, encoding=wrong)


def test_binary_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(HierarchyError, match="a NUL byte, so this is no text"):
        read(b"order,species\nA,\0\0\0b\n")
    assert "not-utf8" in found(tmp_path, b"\0" * 4096)


def test_cells_may_hold_separators_and_line_breaks_in_quotes() -> None:
    assert lineages(read('order,species\nA,"b, the\nfirst"\nC, "d"\n')[0]) == [("A", "b, the\nfirst"), ("C", "d")]


def test_a_separator_that_is_none_is_refused() -> None:
    with pytest.raises(HierarchyError, match="`delimiter`"):
        read(table(BIRDS), delimiter=";;")


# ---------------------------------------------------------------- what spreadsheets and data frames add


@pytest.mark.parametrize("numbers", [("0", "1", "2"), ("1", "2", "3"), ("7", "3", "12")])
@pytest.mark.parametrize("name", ["", " ", "Unnamed: 0"])
def test_the_index_of_a_data_frame_is_passed_over(name: str, numbers: tuple[str, ...]) -> None:
    text = table([(n, *row) for n, row in zip(numbers, BIRDS, strict=True)], f"{name},order,family,species")
    hierarchy, said = read(text)
    assert lineages(hierarchy) == BIRDS
    assert said == "columns without a name that number the rows passed over: 1"


def test_empty_columns_and_rows_are_passed_over_and_counted(tmp_path: Path) -> None:
    text = "order,family,species,,\nO1,F1,a,,\n,,,,\nO1,F1,b,,\n \nO2,F2,c,,,,\n,,,,\n"
    hierarchy, said = read(text)
    assert lineages(hierarchy) == BIRDS
    assert said == "empty rows passed over: 3; empty columns without a name passed over: 2"
    assert not {"bad-header", "row-length", "missing-rank"} & found(tmp_path, text).keys()


def test_a_column_that_holds_something_needs_a_name(tmp_path: Path) -> None:
    text = "order,family,species,\nO1,F1,a,\nO1,F1,b,check this\n"
    for ragged in ("error", "fill", "collapse"):
        with pytest.raises(HierarchyError, match="the unnamed column 4 holds 'check this' \\(line 3\\)"):
            read(text, ragged=ragged)
    assert "bad-header" in found(tmp_path, text)


def test_blanks_around_names_are_no_part_of_them() -> None:
    hierarchy, _ = read("order , family, species\nO1, F1, a\nO1, F1 , b\nO2,\u00a0F2, c \n")
    assert lineages(hierarchy) == BIRDS
    assert [level.name for level in hierarchy.levels] == ["order", "family", "species"]


def test_a_row_per_image_is_a_class_per_taxon(tmp_path: Path) -> None:
    rows = [(f"{i}.jpg", *BIRDS[i % 3]) for i in range(12)]
    hierarchy, said = read(table(rows, "path,order,family,species"), levels=("order", "family", "species"))
    assert lineages(hierarchy) == BIRDS
    assert said == "equal rows are one class: 12 rows, 3 classes"
    named, _ = read(table([(*BIRDS[i % 3], f"c{i % 3}") for i in range(12)], "order,family,species,class"))
    assert named.classes == ("c0", "c1", "c2")
    assert found(tmp_path, table(BIRDS * 4))["repeated-row"] == "12 rows, of which 3 differ"


# ---------------------------------------------------------------- headers


@pytest.mark.parametrize(
    "rows",
    [
        BIRDS,
        [("Strigiformes", "Strigidae", "Owl"), ("Passeriformes", "Corvidae", "Rook")],
        [("AB12.1 Owls", "tawny", "a"), ("AB7.23 Owls", "barn", "b")],
    ],
)
def test_a_header_that_reads_like_taxa_is_told(rows: list[tuple[str, ...]], tmp_path: Path) -> None:
    text = table(rows[1:], ",".join(rows[0]))
    with pytest.raises(HierarchyError, match=r"rather a taxon than the name of a level.*--no-header"):
        read(text)
    assert "header-is-data" in found(tmp_path, text)
    assert lineages(read(text, header=False)[0]) == rows
    named, _ = read(text, header=False, levels=("order", "family", "species"))
    assert [level.name for level in named.levels] == ["order", "family", "species"]
    with pytest.raises(HierarchyError, match="2 level names \\(order, species\\) for 3 columns"):
        read(text, header=False, levels=("order", "species"))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("edges", "1 0\n2 0\n3 1\n"),
        ("outline", "Bird\n  Duck\n    Teal\n"),
        ("newick", "((a,b)c,(d)e);\n"),
        ("parent-child-csv", "child,parent,label\n1,,Bird\n2,1,Duck\n"),
    ],
)
def test_what_is_no_table_is_not_read_as_one(kind: str, text: str) -> None:
    with pytest.raises(HierarchyError, match=f"read it by `hiertax build --from {kind}`"):
        read(text)


def test_levels_that_are_asked_for_by_name_are_a_header(tmp_path: Path) -> None:
    assert read("Gull,kind\nGull,a\nTern,b\n", levels=("Gull", "kind"))[0].sizes == (2, 2)
    assert "header-is-data" not in found(tmp_path, "level 1,level 2\nlevel 1,a\nx,b\n")


@pytest.mark.parametrize("header", ["species,genus,family", "order,species,family", "Genus,Family,x"])
def test_ranks_out_of_order_are_told(header: str, tmp_path: Path) -> None:
    text = table([("a b", "a", "F1"), ("c d", "c", "F2")], header)
    with pytest.raises(HierarchyError, match="the ranks are not in order; name them coarsest first by `levels`"):
        read(text)
    assert "rank-order" in found(tmp_path, text)


def test_ranks_out_of_order_are_put_right_by_their_names() -> None:
    text = table([("a b", "a", "F1"), ("c d", "c", "F2")], "species,genus,family")
    assert lineages(read(text, levels=("family", "genus", "species"))[0]) == [("F1", "a", "a b"), ("F2", "c", "c d")]


def test_a_level_cannot_be_without_a_name() -> None:
    for kind, content in (("lineage-csv", table(BIRDS)), ("newick", "((a)b)c;")):
        with pytest.raises(HierarchyError, match=r"no column ''|has no name; name every level"):
            read(content, kind, levels=("order", ""))


# ---------------------------------------------------------------- words that are no names

SPELLINGS = ["NA", "N/A", "nan", "None", "unknown", "Unassigned", "UNCLASSIFIED", "incertae sedis", "Incertae_sedis",
             "sp.", "-", "?", "[unclassified]", "(unknown)", "<NA>"]  # fmt: skip


@pytest.mark.parametrize("word", SPELLINGS)
def test_a_placeholder_is_a_gap_that_makes_nobody_kin(word: str, tmp_path: Path) -> None:
    text = table([("O1", word, "a"), ("O1", word, "b"), ("O2", word, "c"), ("O2", "F2", "d")])
    with pytest.raises(HierarchyError, match="3 of 4 lineages have a gap, the first at level 'family'"):
        read(text)
    hierarchy, said = read(text, ragged="fill")
    assert hierarchy.sizes == (2, 4, 4)
    assert hierarchy.distance([0], [1]) == [4]
    assert "stand for no taxon, taken as gaps: 3" in said
    assert read(text, ragged="collapse")[0].sizes == (2, 4)
    assert "no name but a gap" in found(tmp_path, text)["placeholder-name"]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("parent-child-csv", "child,parent\nr,\nNA,r\na,NA\nb,NA\nG,r\nc,G\n"),
        ("edges", "# child parent\nNA r\na NA\nb NA\nG r\nc G\n"),
        ("newick", "((a,b)unclassified,(c)G)r;"),
        ("nexus", "#NEXUS\nbegin trees;\ntree t = ((a,b)'incertae sedis',(c)G)r;\nend;\n"),
        ("outline", "r\n  unknown\n    a\n    b\n  G\n    c\n"),
        ("nested-json", '{"r": {"?": ["a", "b"], "G": ["c"]}}'),
        ("node-link", '{"directed": true, "nodes": [{"id": "r"}, {"id": "n/a"}, {"id": "a"}, {"id": "b"}, {"id": "G"},'
         ' {"id": "c"}], "links": [{"source": "r", "target": "n/a"}, {"source": "n/a", "target": "a"},'
         ' {"source": "n/a", "target": "b"}, {"source": "r", "target": "G"}, {"source": "G", "target": "c"}]}'),
    ],
)  # fmt: skip
def test_a_placeholder_is_a_gap_in_every_format(kind: str, content: str) -> None:
    with pytest.raises(HierarchyError, match="2 of 3 lineages have a gap"):
        read(content, kind)
    hierarchy, said = read(content, kind, ragged="fill")
    assert lineages(hierarchy) == [("a (level 1)", "a"), ("b (level 1)", "b"), ("G", "c")]
    assert "taken as gaps: 1" in said


def test_names_that_hold_such_a_word_are_names() -> None:
    names = ["Larus sp.", "Unknownia", "NATO", "Nana", "Unclassified Bacteria", "x?", "Sp", "na" * 40]
    assert [is_placeholder(name) for name in names] == [False] * 6 + [True, False]
    assert all(map(is_placeholder, PLACEHOLDERS))


def test_a_class_may_be_called_unknown(tmp_path: Path) -> None:
    hierarchy, _ = read('{"r": {"G": ["unknown", "b"]}}', "nested-json")
    assert hierarchy.classes == ("unknown", "b")
    hierarchy.save(tmp_path / "h.json")
    assert "placeholder-name" not in validate(tmp_path / "h.json").counts


def test_classes_without_a_species_are_told_apart_by_their_names() -> None:
    rows = [("O", "F", "sp.", "c1"), ("O", "F", "x", "c2"), ("O", "F", "sp.", "c3"), ("O", "G", "sp.", "c4")]
    hierarchy, _ = read(table(rows, "order,family,species,class"), ragged="fill")
    assert hierarchy.levels[-1].labels == ("c1 (species)", "x", "c3 (species)", "G (species)")


def test_missing_values_of_an_array_are_gaps() -> None:
    rows = np.array([["a", None, "x"], ["a", float("nan"), "y"], ["a", "b", "z"]], dtype=object)
    out = io.BytesIO()
    np.save(out, rows, allow_pickle=True)
    with pytest.raises(HierarchyError, match=r"save labels.astype\(str\) instead, with '' for a gap"):
        read(out.getvalue(), "hiclass")
    out = io.BytesIO()
    np.save(out, rows.astype(str))
    hierarchy, said = read(out.getvalue(), "hiclass", ragged="fill")
    assert lineages(hierarchy)[:2] == [("a", "x (level 2)", "x"), ("a", "y (level 2)", "y")]
    assert "taken as gaps: 2" in said


# ---------------------------------------------------------------- variants, kin of one name, ranks


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Quercus \u00d7 rosacea", "Quercus x rosacea"), ("Quercus \u00d7 rosacea", "Quercus \u2715 rosacea"),
        ("Quercus \u00d7rosacea", "Quercus x rosacea"), ("Rosa 'Peace'", "Rosa \u2018Peace\u2019"),
        ('Rosa "Peace"', "Rosa \u201cPeace\u201d"),
        ("Rosa 'Peace'", "Rosa Peace"),
    ],
)  # fmt: skip
def test_hybrids_and_cultivars_have_variants(one: str, two: str, tmp_path: Path) -> None:
    assert "spelling-variant" in found(tmp_path, f"genus\tspecies\nX\t{one}\nX\t{two}\n")


def test_capitals_and_blanks_make_no_other_name(tmp_path: Path) -> None:
    for one, two in (("Quercus x rosacea", "Quercus X rosacea"), ("Tawny owl", "Tawny  owl")):
        assert "case-variant" in found(tmp_path, f"genus,species\nX,{one}\nX,{two}\n")


def test_a_nominate_subspecies_is_named_as_its_species(tmp_path: Path) -> None:
    rows = [("Motacilla", "alba", "alba"), ("Motacilla", "alba", "yarrellii")]
    assert "child-named-as-parent" not in found(tmp_path, table(rows, "genus,species,subspecies"))
    assert "child-named-as-parent" in found(tmp_path, table([("Alba", "Alba", "x")], "genus,species,subspecies"))
    assert "child-named-as-parent" not in found(tmp_path, table([("Bison", "bison")], "genus,species"))  # Bison bison


def test_a_name_of_another_rank_is_an_error_and_one_in_two_branches_a_warning(tmp_path: Path) -> None:
    known = table([("Cuculiformes", "Passeriformes", "a"), ("Passeriformes", "Corvidae", "b")])
    assert found(tmp_path, known)["wrong-rank"] == "family 'Passeriformes' is known as an order"
    unknown = table([("X", "Y", "a"), ("Y", "Z", "b")])
    assert "in another branch" in found(tmp_path, unknown)["name-on-two-levels"]
    same_branch = table([("X", "Y", "X"), ("Z", "W", "b")], "group,kind,sort")
    assert "name-on-two-levels" not in found(tmp_path, same_branch)


# ---------------------------------------------------------------- whole lineages in one cell


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("taxon\nk__Animalia;p__Chordata;s__a\nk__Animalia;p__Mollusca;s__b\n", (1, 2, 2)),
        ("Feature ID\tTaxon\tConfidence\nx\tk__A; p__B; c__C_1\t.9\ny\tk__A; p__D; c__E_2\t.8\n", (1, 2, 2)),
        ("#mpa\n#SampleID\n#clade_name\tn\nk__A\t9\nk__A|p__B\t5\nk__A|p__B|s__x\t5\nk__A|p__C|s__y\t4\n", (1, 2, 2)),
        ("k__A\t9\nk__A|p__B\t5\nk__A|p__C\t4\n", (1, 2)),
        ("path\nBacteria;Firmicutes;Bacilli;\nBacteria;Chloroflexi;Gamma;\n", (1, 2, 2)),
        ("AB1\tBacteria;Firmicutes;Bacilli\nAB2\tBacteria;Chloroflexi;Gamma\n", (1, 2, 2)),
        ("lineage\nD_0__Bacteria;D_1__Firmicutes\nD_0__Bacteria;D_1__Chloroflexi\n", (1, 2)),
        ("id,taxonomy\n1,A|B|C\n2,A|D|E\n", (1, 2, 2)),
    ],
)  # fmt: skip
def test_lineages_in_one_cell_are_split(text: str, sizes: tuple[int, ...], tmp_path: Path) -> None:
    hierarchy, said = read(text)
    assert hierarchy.sizes == sizes
    assert "split at" in said
    assert validate_sizes(tmp_path, text) == sizes


def validate_sizes(tmp_path: Path, text: str) -> tuple[int, ...]:
    (tmp_path / "t.txt").write_text(text)
    report = validate(tmp_path / "t.txt")
    assert report.sound(), report.to_text()
    return tuple(size for _, size in report.levels)


def test_prefixes_name_the_ranks_and_show_the_gaps() -> None:
    text = "taxon\nk__A;p__B;c__C;o__;f__F\nk__A;p__B;c__D;o__O;f__G\nUnassigned\n"
    hierarchy, said = read(text, ragged="fill")
    assert [level.name for level in hierarchy.levels] == ["kingdom", "phylum", "class", "order", "family"]
    assert hierarchy.lineage("F") == ("A", "B", "C", "F (order)", "F")
    assert "rows that name no taxon passed over: 1" in said
    with pytest.raises(HierarchyError, match="line 3: 'q__D' has no prefix of a rank"):
        read("taxon\nk__A;p__B\nk__A;q__D\n")


def test_without_prefixes_the_place_tells_the_level(tmp_path: Path) -> None:
    text = "taxonomy\nEuk;Moll;Gast;;Acteon;Pupa;Pupa strigosa\nEuk;Arth;Ins;Dipt;Musc;Musca;Musca domestica\n"
    with pytest.raises(HierarchyError, match="1 of 2 lineages have a gap, the first at level 'level 4'"):
        read(text)
    assert "no level 4" in found(tmp_path, text, ".txt")["missing-rank"]
    names = tuple("abcdefg")
    assert read(text, ragged="fill", levels=names)[0].lineage("Pupa strigosa")[3] == "Acteon (d)"
    with pytest.raises(HierarchyError, match="3 level names \\(a, b, c\\) for lineages of 7 names"):
        read(text, levels=("a", "b", "c"))


def test_a_column_beside_the_lineages_may_name_the_classes() -> None:
    text = "Feature ID\tTaxon\nf1\tk__A;p__B\nf2\tk__A;p__C\n"
    assert read(text, class_column="Feature ID")[0].classes == ("f1", "f2")
