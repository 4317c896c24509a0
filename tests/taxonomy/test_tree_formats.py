"""Trees as other programs write them: Newick, NEXUS, edge lists, outlines, nested JSON, graphs."""

from __future__ import annotations

import re

import pytest

from taxonomy import formats
from taxonomy.errors import HierarchyError
from taxonomy.formats import edges
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions

OWLS = [("Duck", "Mallard"), ("Duck", "Teal"), ("Owl", "Tawny")]


def read(content: str, kind: str, **settings: object) -> tuple[Hierarchy, str]:
    reading = ImportOptions(**settings)  # type: ignore[arg-type]
    return formats.decode(content.encode(), kind, reading), "; ".join(reading.notes)


def lineages(hierarchy: Hierarchy) -> list[tuple[str, ...]]:
    return [hierarchy.lineage(name) for name in hierarchy.classes]


def refused(content: str, kind: str, **settings: object) -> str:
    with pytest.raises(HierarchyError) as error:
        read(content, kind, **settings)
    return str(error.value)


# ---------------------------------------------------------------- Newick and NEXUS


@pytest.mark.parametrize(
    "text",
    ["((a:1,b:1)0.98:0.1,(c:1,d:1)1.00:0.2)r;", "((a,b)100,(c,d)100)r;", "((a,b)95.2/100,(c,d)1e-2)99;",
     "((a,b)'',(c,d));"],
)  # fmt: skip
def test_support_values_are_no_names(text: str) -> None:
    assert "an inner node has no name (above 'a'), and 2 have none" in refused(text, "newick")
    assert "`name_inner`" in refused(text, "newick")
    hierarchy, said = read(text, "newick", name_inner=True)
    assert lineages(hierarchy) == [("node 1", "a"), ("node 1", "b"), ("node 2", "c"), ("node 2", "d")]
    assert "inner nodes without a name, called 'node 1' and so on: 2" in said


@pytest.mark.parametrize("labels", ["'100.0:g__Aus' 95:g__Bus", "100.0:g__Aus:0.1 '1:g__Bus':0.1"])
def test_a_name_after_a_support_value_is_the_name(labels: str) -> None:
    one, two = labels.split()
    hierarchy, said = read(f"((a,b){one},(c){two});", "newick")
    assert hierarchy.levels[0].labels == ("g__Aus", "g__Bus")
    assert said == "numbers on inner nodes read as support values, not as names: 2"


def test_numbers_are_names_where_the_leaves_are_numbers_or_quotes_say_so() -> None:
    assert read("((1,2)3,(4)5)6;", "newick")[0].levels[0].labels == ("3", "5")
    assert read("((a,b)'3',(c)'5')'6';", "newick")[0].levels[0].labels == ("3", "5")


def test_made_up_names_are_nobody_elses() -> None:
    hierarchy, _ = read("((a)'node 1',(b));", "newick", name_inner=True)
    assert hierarchy.levels[0].labels == ("node 1", "node 2")


def test_nexus_is_read_with_its_translations_and_beside_other_blocks() -> None:
    text = """#NEXUS [made by hand]
    Begin taxa; Dimensions ntax=3; TaxLabels A_a 'B b' C; end;
    begin trees;
      translate 1 A_a, 2 'B b',
        3 C;
      tree 'the = tree' [a=b] = [&R] ((1:0.1,2:0.2)X:1,(3)Y)r;
    end;
    """
    assert lineages(read(text, "nexus")[0]) == [("X", "A a"), ("X", "B b"), ("Y", "C")]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("((a)b);", "does not begin with #NEXUS"),
        ("#NEXUS begin trees; end;", "a block trees with 0 trees"),
        ("#NEXUS begin trees; tree a = ((x)y); tree b = ((x)y); end;", "2 trees; keep one"),
        ("#NEXUS begin trees; translate 1; tree a = ((1)y); end;", "translate: '1' has no name"),
        ("#NEXUS begin trees; tree a = ((x)y; end;", "offset"),
        ("#NEXUS begin trees; tree a ((x)y); end;", "does not end with ';'"),
    ],
)
def test_broken_nexus_is_refused(text: str, fault: str) -> None:
    assert fault in refused(text, "nexus")


# ---------------------------------------------------------------- edges


@pytest.mark.parametrize("sign", [" ", "\t", ",", " , ", ";", "   "])
@pytest.mark.parametrize("direction", ["child-parent", "parent-child"])
def test_the_direction_of_edges_is_found(sign: str, direction: str) -> None:
    pairs = [("1", "0"), ("2", "0"), ("3", "1"), ("4", "1"), ("5", "2")]
    text = "\n".join(sign.join(pair if direction == "child-parent" else pair[::-1]) for pair in pairs)
    hierarchy, said = read(text, "edges")
    assert (hierarchy.root, hierarchy.sizes) == ("0", (2, 3))
    assert said == f"read as an edge list, {direction.replace('-', ' then ')}"


def test_a_direction_that_cannot_be_told_is_asked_for() -> None:
    assert "`edges=child-parent` or `edges=parent-child`" in refused("0 1\n1 2\n", "edges")
    assert lineages(read("0 1\n1 2\n", "edges", edges="parent-child")[0]) == [("1", "2")]
    assert lineages(read("# Parent, child\n0 1\n1 2\n", "edges")[0]) == [("1", "2")]
    assert lineages(read("child parent\n2 1\n1 0\n", "edges")[0]) == [("1", "2")]


def test_numbers_get_their_names_from_a_second_file() -> None:
    names = edges.names_of("0 Birds\n1\tGulls\n2,Auks\n# a comment\n3 Larus fuscus\n4 Uria aalge, the murre\n")
    hierarchy, _ = read("1 0\n2 0\n3 1\n4 2\n", "edges", labels=names)
    assert hierarchy.root == "Birds"
    assert lineages(hierarchy) == [("Gulls", "Larus fuscus"), ("Auks", "Uria aalge, the murre")]
    del names["2"], names["4"]
    assert "`labels`: no name for '2'; 2 such in all" in refused("1 0\n2 0\n3 1\n4 2\n", "edges", labels=names)
    for text, fault in (("7\n", "is no number with a name"), ("7 a\n7 b\n", "has two names")):
        with pytest.raises(HierarchyError, match=fault):
            edges.names_of(text)


def test_edges_that_repeat_are_one_and_broken_ones_are_refused() -> None:
    hierarchy, said = read("1 0\n2 0\n1 0\n", "edges")
    assert hierarchy.sizes == (2,)
    assert "edges that repeat passed over: 1" in said
    assert "line 2: '2' has not two ends" in refused("1 0\n2\n", "edges")
    assert "no edge in it" in refused("# nothing\n", "edges")
    assert "own ancestor" in refused("1 0\n2 1\n0 2\n3 0\n", "edges", edges="child-parent")


def test_an_edge_list_is_no_table() -> None:
    for text in ("1 0\n2 0\n3 1\n", "n00001740 n00001930\nn00001741 n00001930\n", "1,0\n2,0\n"):
        assert "hiertax build --from edges" in refused(text, "lineage-csv")


def test_a_table_of_numbers_and_names_gives_names() -> None:
    for header in ("child,parent,label", "id,parent,label", "ID,Parent_ID,Name"):
        text = f"{header}\n1,,Birds\n2,1,Gulls\n3,1,Auks\n4,2,Larus fuscus\n5,3,Uria aalge\n"
        hierarchy, _ = read(text, "parent-child-csv")
        assert hierarchy.root == "Birds"
        assert lineages(hierarchy) == [("Gulls", "Larus fuscus"), ("Auks", "Uria aalge")]


# ---------------------------------------------------------------- several parents

DAG = "a r\nb r\nd b\ne d\nx a\nx e\ny e\nz a\n"  # x is below a (2 steps from r) and e (4)


@pytest.mark.parametrize(
    ("policy", "parent"), [("first", "a"), ("shortest", "a"), ("deepest", "e")]
)  # fmt: skip
def test_one_parent_of_several_is_chosen_and_counted(policy: str, parent: str) -> None:
    hierarchy, said = read(f"# child parent\n{DAG}", "edges", parents=policy, ragged="fill", depths=(1, -1))
    assert hierarchy.lineage("x")[0] == {"a": "a", "e": "b"}[parent]
    assert "taxa with several parents: 1; kept is the" in said


@pytest.mark.parametrize("kind", ["edges", "parent-child-csv", "node-link"])
def test_several_parents_are_refused_unless_one_is_asked_for(kind: str) -> None:
    pairs = [("g", "r"), ("a", "r"), ("t", "g"), ("m", "a"), ("m", "g")]
    links = ", ".join(f'{{"source": "{parent}", "target": "{child}"}}' for child, parent in pairs)
    text = {
        "edges": "\n".join(" ".join(pair) for pair in pairs),
        "parent-child-csv": "\n".join(["child,parent", *(",".join(pair) for pair in pairs)]),
        "node-link": '{"directed": true, "nodes": [{"id": "r"}, {"id": "g"}, {"id": "a"}, {"id": "t"}, {"id": "m"}],'
        f' "links": [{links}]}}',
    }[kind]
    assert re.search("'m' has two parents, '[ag]' and '[ag]'.*`parents=first`", refused(text, kind))
    assert read(text, kind, parents="first")[0].sizes[-1] == 2


def test_a_taxon_whose_children_all_went_elsewhere_is_no_class() -> None:
    text = "# child parent\na r\nb r\nc b\nx a\nx c\n"
    hierarchy, said = read(text, "edges", parents="first")
    assert lineages(hierarchy) == [("a", "x")]
    assert "taxa left without any child by that, dropped: 2" in said


# ---------------------------------------------------------------- outlines


@pytest.mark.parametrize(
    "text",
    [
        "Bird\n  Duck\n    Mallard\n    Teal\n  Owl\n    Tawny\n",
        "Bird\n\tDuck\n\t\tMallard\n\t\tTeal\n\tOwl\n\t\tTawny\n",
        "Bird\n- Duck\n-- Mallard\n-- Teal\n- Owl\n-- Tawny\n",
        "- Bird\n  - Duck\n    * Mallard\n    * Teal\n\n  - Owl\n      + Tawny\n",
        "Bird\n├── Duck\n│   ├── Mallard\n│   └── Teal\n└── Owl\n    └── Tawny\n",
        "  Bird\n   Duck\n       Mallard\n       Teal\n   Owl\n     Tawny\n",
        "Duck\n Mallard\n Teal\nOwl\n Tawny\n",
    ],
)
def test_an_outline_is_read_however_it_is_indented(text: str) -> None:
    assert lineages(read(text, "outline")[0]) == OWLS


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no line"),
        ("a\n    b\n  c\n", "line 3: 'c' is indented as no line above it"),
        ("a\n\tb\n    c\n", "by tabs and by blanks"),
        ("  a\nb\n", "line 2: stands left of the first line"),
        ("a\n  - \n", "line 2: no name after the indent"),
        ("a\n", "nothing under it"),
    ],
)
def test_a_broken_outline_is_refused_with_its_line(text: str, fault: str) -> None:
    assert re.search(fault, refused(text, "outline"))


# ---------------------------------------------------------------- nested JSON


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Bird", "children": [{"name": "Duck", "children": [{"name": "Mallard"}, {"name": "Teal", "age": 3}]},'
        ' {"name": "Owl", "children": [{"name": "Tawny", "children": []}]}]}',
        '{"id": "Bird", "children": [{"id": "Duck", "children": [{"id": "Mallard"}, {"id": "Teal"}]},'
        ' {"id": "Owl", "children": [{"id": "Tawny"}]}]}',
        '{"Bird": {"Duck": {"Mallard": {}, "Teal": null}, "Owl": ["Tawny"]}}',
        '{"Bird": {"children": {"Duck": {"children": {"Mallard": {}, "Teal": {}}}, "Owl": {"children": ["Tawny"]}}}}',
        '{"/Bird": {"name": "Bird"}, "/Bird/Duck": {}, "/Bird/Duck/Mallard": {}, "/Bird/Duck/Teal": {},'
        ' "/Bird/Owl": {}, "/Bird/Owl/Tawny": {}}',
        '[{"name": "Duck", "children": ["Mallard", "Teal"]}, {"name": "Owl", "children": ["Tawny"]}]',
    ],
)
def test_nested_json_is_read_in_each_of_its_forms(text: str) -> None:
    assert lineages(read(text, "nested-json")[0]) == OWLS


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("3", "in top level: 3 is no taxon"),
        ('{"name": "a", "children": [{"name": " "}]}', "in 'a': a taxon has no name"),
        ('{"name": "a", "children": 7}', "7 where children belong"),
        ("{}", "nothing under it"),
    ],
)
def test_json_that_is_no_nested_tree_is_refused(text: str, fault: str) -> None:
    assert fault in refused(text, "nested-json")
