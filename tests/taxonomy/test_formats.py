"""Hierarchies written in the formats of other tools, and read back."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxonomy import formats
from taxonomy.commands.convert import READABLE, WRITABLE
from taxonomy.errors import HierarchyError
from taxonomy.formats import hiclass_labels, html, newick, node_link
from taxonomy.hierarchy import Hierarchy, Level
from taxonomy.leveling import ImportOptions
from taxonomy.ranks import is_placeholder
from taxonomy.sources import curated
from taxonomy.validation import validate

HARD = ["a,b", 'say "x"', "it's", "(b)[c]{d}", "x;y:z", "two\nlines", "carriage\rreturn", "_under_score_", "0.98",
        "Ōkami 鳥 🐦", "<script>alert(1)</script>", "&amp;",
        "$x$", "back\\slash\\", "'", "''", "[", "#", "-1", "=1+1"]  # fmt: skip
TEXT = st.one_of(
    st.sampled_from(HARD),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
        lambda text: text.strip() == text != "" and "\0" not in text
    ),
).filter(lambda text: not is_placeholder(text))  # readers strip blanks and take placeholders for gaps


@st.composite
def hierarchies(draw: st.DrawFn) -> Hierarchy:
    depth = draw(st.integers(1, 4))
    levels: list[Level] = []
    for _ in range(depth):
        labels = draw(st.lists(TEXT, min_size=len(levels[-1]) if levels else 1, max_size=8, unique=True))
        above = len(levels[-1]) if levels else 1
        parents = list(range(above)) + [draw(st.integers(0, above - 1)) for _ in labels[above:]]
        parents = draw(st.permutations(parents)) if levels else [0] * len(labels)
        levels.append(Level(f"level {len(levels)}", tuple(labels), np.array(parents, dtype=np.int64)))
    classes = draw(st.lists(TEXT, min_size=len(levels[-1]), max_size=len(levels[-1]), unique=True))
    return Hierarchy(
        name=draw(TEXT), root=draw(TEXT), levels=tuple(levels), classes=tuple(classes), source={"kind": "test"}
    )


def read_back(hierarchy: Hierarchy, kind: str) -> Hierarchy:
    """Write and read again, giving back what the format says it does not carry."""
    names = tuple(level.name for level in hierarchy.levels)
    reading = ImportOptions(
        root=hierarchy.root if "root" in formats.FORMATS[kind].loses else None,
        levels=names if "level names" in formats.FORMATS[kind].loses else None,
    )
    return formats.decode(formats.encode(hierarchy, kind), kind, reading)


def facts(hierarchy: Hierarchy, *, with_classes: bool) -> set[tuple[str, ...]]:
    """Return every class with its lineage, whatever the order."""
    lines = [hierarchy.lineage(name) for name in hierarchy.classes]
    classes = [(name,) if with_classes else () for name in hierarchy.classes]
    return {line + name for line, name in zip(lines, classes, strict=True)}


@pytest.mark.parametrize("kind", ["node-link", "parent-child-csv"])
@given(hierarchy=hierarchies())
@settings(max_examples=60, deadline=None)
def test_formats_with_levels_come_back_equal(kind: str, hierarchy: Hierarchy) -> None:
    assert read_back(hierarchy, kind) == hierarchy


@pytest.mark.parametrize(
    "kind", ["lineage-csv", "newick", "nexus", "hiclass", "nested-json", "outline", "edges", "parquet", "xlsx"]
)
@given(hierarchy=hierarchies())
@settings(max_examples=60, deadline=None)
def test_formats_of_lineages_come_back_with_the_same_lineages(kind: str, hierarchy: Hierarchy) -> None:
    try:
        formats.encode(hierarchy, kind)
    except HierarchyError as error:
        assert "cannot carry" in str(error)  # noqa: PT017 - most are carried
        return
    again = read_back(hierarchy, kind)
    with_classes = "class names" not in formats.FORMATS[kind].loses
    assert facts(again, with_classes=with_classes) == facts(hierarchy, with_classes=with_classes)
    assert [level.name for level in again.levels] == [level.name for level in hierarchy.levels]
    assert again.root == hierarchy.root


@pytest.mark.parametrize("dataset", ["cub", "aircraft", "cars"])
def test_curated_trees_survive_a_lineage_csv_unchanged(dataset: str) -> None:
    hierarchy = curated.build(dataset)
    assert read_back(hierarchy, "lineage-csv") == hierarchy


@pytest.mark.parametrize("kind", formats.FORMATS)
def test_equal_hierarchies_give_equal_bytes(kind: str) -> None:
    assert formats.encode(curated.build("cub"), kind) == formats.encode(curated.build("cub"), kind)


@given(text=st.text("(),:;'[]ab_ 1", max_size=30))
@settings(max_examples=500, deadline=None)
def test_no_arrangement_of_marks_breaks_the_newick_reader(text: str) -> None:
    try:
        found = newick.read(text, ImportOptions(ragged="fill"))
    except HierarchyError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert found.sizes[-1] >= 1


def test_the_command_line_offers_every_format() -> None:
    assert set(WRITABLE) == set(formats.FORMATS)
    assert set(READABLE) == {name for name, fmt in formats.FORMATS.items() if fmt.read}


@pytest.mark.parametrize("name", ["tree.txt", "tree.dat", "tree"])
@pytest.mark.parametrize(
    "kind", ["newick", "nexus", "outline", "lineage-csv", "parent-child-csv", "node-link", "nested-json"]
)
def test_a_format_is_told_by_content_where_the_name_does_not(kind: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(formats.encode(curated.build("cub"), kind))
    assert formats.load(tmp_path / name).sizes == (13, 37, 200)
    report = validate(tmp_path / name)
    assert [size for _, size in report.levels] == [13, 37, 200], report.to_text()


# ---------------------------------------------------------------- CSV


def csv_of(text: str, **reading: object) -> Hierarchy:
    return formats.decode(text.encode(), "lineage-csv", ImportOptions(**reading))  # type: ignore[arg-type]


def test_a_lineage_csv_takes_rows_in_any_order_and_chosen_columns() -> None:
    hierarchy = csv_of(
        "note,genus,family\nx,Larus,Laridae\n,Uria,Alcidae\ny,Sterna,Laridae\n", levels=("family", "genus")
    )
    assert facts(hierarchy, with_classes=True) == {
        ("Laridae", "Larus", "Larus"), ("Alcidae", "Uria", "Uria"), ("Laridae", "Sterna", "Sterna"),
    }  # fmt: skip


def test_a_shipped_table_reads_as_the_hierarchy_that_it_builds() -> None:
    text = (files("taxonomy") / "data" / "cub.csv").read_text(encoding="utf-8")
    assert csv_of(text, levels=("order", "family", "species"), root="bird") == curated.build("cub")


def test_a_column_called_class_can_be_a_level() -> None:
    text = "class,species\nAves,Puffin\nMammalia,Seal\n"
    assert csv_of(text, class_column="class").levels[0].name == "species"
    assert csv_of(text, class_column="class").classes == ("Aves", "Mammalia")
    zoology = csv_of(text, levels=("class", "species"))
    assert csv_of(text) == zoology
    assert zoology.levels[0].labels == ("Aves", "Mammalia")
    assert zoology.classes == ("Puffin", "Seal")
    assert read_back(zoology, "lineage-csv") == zoology


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "there is no header"),
        ("family,species\n", "no rows"),
        ("class\nx\n", "no column is a level"),
        ("family,species\nLaridae\n", "line 2: 1 cells under 2 columns"),
        ("family,species\na,b,c\n", "line 2: 3 cells"),
        ('family,species\n"a,b\n', "mend the quoting"),
        ("family,species\nLaridae,Tern\nAlcidae,Tern\n", "two parents"),
        ("class,family,species\n1,Laridae,Tern\n2,Laridae,Tern\n", "listed twice"),
        ("family,species\n,\n", "no rows"),
        ("note,family,species\nx,,\n", "names no taxon"),
    ],
)
def test_a_broken_lineage_csv_is_refused_with_its_fault(text: str, fault: str) -> None:
    with pytest.raises(HierarchyError, match=re.escape(fault)):
        csv_of(text)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(HierarchyError, match="no column 'genus' in the header"):
        csv_of("family,species\na,b\n", levels=("genus", "species"))


def test_other_peoples_edges_need_only_child_and_parent() -> None:
    text = "child,parent\ntern,gulls\ngulls,bird\nmurre,auks\nauks,bird\n"
    hierarchy = formats.decode(text.encode(), "parent-child-csv", ImportOptions(levels=("family", "species")))
    assert hierarchy.root == "bird"
    assert facts(hierarchy, with_classes=False) == {("gulls", "tern"), ("auks", "murre")}


def test_taxa_without_a_parent_are_the_coarsest_level() -> None:
    text = "child,parent\ngulls,\nauks,\ntern,gulls\nmurre,auks\n"
    hierarchy = formats.decode(text.encode(), "parent-child-csv", ImportOptions())
    assert hierarchy.levels[0].labels == ("gulls", "auks")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a,b\n1,2\n", "needs the columns child and parent"),
        ("child,parent\na,b\na,c\n", "'a' has two parents, 'b' and 'c'"),
        ("child,parent\na,b\na,b\n", "'a' is listed twice"),
        ("child,parent\na,b\nb,a\n", "its own ancestor"),
        ("child,parent\na,\nb,b\n", "its own ancestor"),
        ("child,parent\n ,a\n", "has no name"),
        ("level,label,parent\nfamily,a,\nspecies,s,b\n", "no family 'b', yet it is a parent"),
    ],
)
def test_broken_edges_are_refused_with_their_fault(text: str, fault: str) -> None:
    with pytest.raises(HierarchyError, match=re.escape(fault)):
        formats.decode(text.encode(), "parent-child-csv", ImportOptions())


# ---------------------------------------------------------------- Newick


def test_newick_quotes_and_reads_as_the_standard_says() -> None:
    hierarchy = Hierarchy.from_lineages(
        [("Crow's kin", "Corvus_corax"), ("Crow's kin", "Jay")], ("family", "species"), name="x", root="bird"
    )
    assert newick.write(hierarchy) == "(('Corvus_corax',Jay)'Crow''s kin')bird;\n"
    text = "[a [nested] comment] ( (Corvus_corax:0.1[x], Jay : 2e-3) 'Crow''s kin' :1 ) bird:0 ; "
    read = newick.read(text, ImportOptions())
    assert facts(read, with_classes=False) == {("Crow's kin", "Corvus corax"), ("Crow's kin", "Jay")}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "does not end with ';'"),
        ("((a,b)c", "does not end"),
        ("((a,b)c;", "offset 7: ';' has no place"),
        ("(a,b));", "offset 5: ')' has no place"),
        ("(a 'b');", "follows another label"),
        ("(a,'b);", "opens or closes nothing"),
        ("(a,b]);", "opens or closes nothing"),
        ("(a,b)[x;", "never closed"),
        ("(a:b,c);", "no branch length"),
        ("(a:,c);", "no branch length"),
        ("(a,b);(c,d);", "more text after the tree"),
        ("((a,b),(c)d)e;", "an inner node has no name (above 'a')"),
        ("(a,)b;", "a leaf has no name"),
        ("a;", "root with nothing under it"),
        ("((a)x,(a)y)r;", "two parents"),
    ],
)
def test_broken_newick_is_refused_with_its_place(text: str, fault: str) -> None:
    with pytest.raises(HierarchyError, match=re.escape(fault)):
        newick.read(text, ImportOptions())


def test_a_tree_far_deeper_than_the_stack_is_read() -> None:
    deep = "(" * 5000 + "a" + "".join(f")n{i}" for i in range(5000)) + ";"
    assert newick.read(deep, ImportOptions()).depth == 5000


# ---------------------------------------------------------------- node-link JSON and networkx


def test_networkx_reads_what_is_written_as_a_tree() -> None:
    hierarchy = curated.build("cub")
    graph = nx.node_link_graph(json.loads(node_link.write(hierarchy)), edges="edges")
    assert nx.is_arborescence(graph)
    assert graph.number_of_nodes() == 1 + sum(hierarchy.sizes)
    again = node_link.from_networkx(graph)
    assert again == hierarchy
    assert (again.name, again.dataset, again.source) == (hierarchy.name, hierarchy.dataset, hierarchy.source)


def test_a_plain_networkx_graph_and_older_files_are_read() -> None:
    graph = nx.DiGraph([("bird", "gulls"), ("bird", "auks"), ("gulls", "tern"), ("auks", "murre")])
    hierarchy = node_link.from_networkx(graph, ImportOptions(levels=("family", "species")))
    assert facts(hierarchy, with_classes=False) == {("gulls", "tern"), ("auks", "murre")}
    older = json.dumps(nx.node_link_data(graph, edges="links"))
    assert node_link.read(older, ImportOptions()).levels[-1].labels == ("tern", "murre")


@pytest.mark.parametrize(
    ("graph", "fault"),
    [
        (nx.Graph([("a", "b")]), "undirected"),
        (nx.DiGraph([("r", "a"), ("r", "b"), ("a", "x"), ("b", "x")]), "two parents"),
        (nx.DiGraph([("r", "a"), ("q", "b")]), "this has 2"),
        (nx.DiGraph([("a", "b"), ("b", "a")]), "its own ancestor"),
        (nx.DiGraph([("r", "x"), ("a", "b"), ("b", "a")]), "its own ancestor"),
        (nx.DiGraph(), "this has 0"),
    ],
)
def test_graphs_that_are_no_trees_are_refused(graph: nx.Graph[str], fault: str) -> None:
    with pytest.raises(HierarchyError, match=fault):
        node_link.from_networkx(graph)


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", "null", '{"nodes": [], "edges": []}', '{"nodes": [{"id": [1]}], "edges": []}',
     '{"directed": true, "nodes": [{"id": 1}], "edges": [{"source": 1, "target": 2}]}', "[" * 100_000],
)  # fmt: skip
def test_json_that_is_no_tree_is_refused(text: str) -> None:
    with pytest.raises(HierarchyError):
        node_link.read(text, ImportOptions())


# ---------------------------------------------------------------- hiclass


def test_hiclass_labels_are_rows_of_text_per_class() -> None:
    hierarchy = curated.build("cub")
    labels = np.load(io.BytesIO(hiclass_labels.write(hierarchy)))
    assert labels.shape == (200, 3)
    assert tuple(labels[83]) == hierarchy.lineage(hierarchy.classes[83])


@pytest.mark.parametrize("array", [np.zeros((2, 2)), np.array(["a"]), np.empty((0, 2), "U1"), np.empty((2, 0), "U1")])
def test_arrays_that_are_no_labels_are_refused(array: np.ndarray, tmp_path: object) -> None:
    np.save(f"{tmp_path}/y.npy", array)
    with pytest.raises(HierarchyError, match="array of text"):
        formats.load(f"{tmp_path}/y.npy")


# ---------------------------------------------------------------- pictures of other tools


def test_dot_escapes_what_graphviz_would_interpret() -> None:
    hierarchy = Hierarchy.from_lineages([('a"b\\', "x\ny"), ('a"b\\', "<b>")], ("f", "s"), name="n", root="r")
    text = formats.encode(hierarchy, "dot").decode()
    assert r'label="a\"b\\"' in text
    assert r'label="x\ny"' in text
    assert 'label="<b>"' in text
    strings = re.findall(r'"(?:[^"\\]|\\.)*"', text)
    assert '"' not in re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    assert len(strings) > 6


class Page(HTMLParser):
    """Collects the tags of a page, its names with their ancestors, and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.names: list[tuple[int, str]] = []
        self.in_name = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for key, value in attrs if key in ("src", "href", "action", "srcset")]
        if tag not in ("meta", "input"):
            self.open.append(tag)
        if ("class", "name") in attrs:
            self.in_name = True
            self.names.append((self.open.count("ul"), ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.in_name = False

    def handle_data(self, data: str) -> None:
        if self.in_name:
            depth, text = self.names[-1]
            self.names[-1] = (depth, text + data)


def parse(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    return page


@given(hierarchy=hierarchies())
@settings(max_examples=40, deadline=None)
def test_the_page_names_every_taxon_at_its_depth_and_is_well_formed(hierarchy: Hierarchy) -> None:
    def plain(text: str) -> str:
        return text.replace("\r\n", "\n").replace("\r", "\n")

    page = parse(html.write(hierarchy))
    expected = sorted((k + 1, plain(name)) for k, level in enumerate(hierarchy.levels) for name in level.labels)
    assert sorted((depth, plain(name)) for depth, name in page.names) == expected


def test_the_page_loads_nothing_and_cannot_be_scripted_by_a_name() -> None:
    evil = "</script><script>alert(1)</script>"
    hierarchy = Hierarchy.from_lineages(
        [(evil, f"{evil}2")], ("f", "s"), name=evil, root=evil, source={"command": evil}
    )
    text = html.write(hierarchy)
    page = parse(text)
    assert page.loads == []
    assert text.count("<script>") == 1
    assert "default-src 'none'" in text
    assert [name for _, name in page.names] == [evil, f"{evil}2"]


def test_the_page_works_without_script_and_has_names_for_its_controls() -> None:
    text = html.write(curated.build("cub"))
    assert text.count("<details>") == text.count("<summary>") == 13 + 37
    assert 'aria-label="Search names"' in text
    assert '<div class="tools" role="search" hidden>' in text  # shown by the script that it needs
    assert '<html lang="en">' in text
