"""`Hierarchy`: what it can be asked, what its file keeps, and that nothing changes it."""

import dataclasses
import json
import resource
import signal
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import WORKED, hierarchies

from taxonomy import Hierarchy, HierarchyError, HiertaxError, Level


def as_graph(hierarchy: Hierarchy) -> nx.DiGraph:
    """The same tree in networkx: nodes are (level, index), the root is (-1, 0)."""
    edges = [
        ((k - 1, int(parent)), (k, i))
        for k, level in enumerate(hierarchy.levels)
        for i, parent in enumerate(level.parents)
    ]
    return nx.DiGraph(edges)


# ---------------------------------------------------------------- asking


def test_depth_and_sizes_count_from_the_coarsest_level():
    assert WORKED.depth == 3
    assert WORKED.sizes == (2, 3, 5)
    assert [level.name for level in WORKED.levels] == ["order", "family", "species"]


def test_paths_have_one_row_of_label_indices_per_leaf():
    assert WORKED.paths.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [1, 2, 4]]
    assert WORKED.paths.dtype == np.int64


@pytest.mark.parametrize(
    ("level", "above", "expected"),
    [(2, 2, [0, 1, 2, 3, 4]), (2, 1, [0, 0, 1, 2, 2]), (2, 0, [0, 0, 0, 1, 1]), (1, 0, [0, 0, 1]), (1, -1, [0, 0, 0])],
)
def test_ancestors_of_a_whole_level_come_at_once(level, above, expected):
    assert WORKED.ancestors(level, above).tolist() == expected


@pytest.mark.parametrize("name", ["3.c", "c"])
def test_lineage_runs_from_the_coarsest_level_to_the_leaf_named_by_class_or_label(name):
    assert WORKED.lineage(name) == ("O1", "F2", "c")


def test_lineage_of_an_unknown_name_is_a_key_error():
    with pytest.raises(KeyError, match="F2"):
        WORKED.lineage("F2")  # a family is no leaf


def test_a_class_name_wins_over_a_label_of_another_leaf():
    hierarchy = Hierarchy.from_lineages([("A", "x"), ("A", "y")], ("a", "b"), classes=("y", "x"), name="n", root="r")
    assert hierarchy.lineage("x") == ("A", "y")


def test_lca_level_is_minus_one_where_only_the_root_is_shared():
    a, others = 0, np.arange(5)
    assert WORKED.lca_level(a, others).tolist() == [2, 1, 0, -1, -1]


def test_distance_counts_edges_between_leaves():
    assert WORKED.distance(0, np.arange(5)).tolist() == [0, 2, 4, 6, 6]


def test_lca_level_and_distance_broadcast():
    every = np.arange(5)
    assert WORKED.lca_level(every[:, None], every).shape == (5, 5)
    assert (WORKED.distance(every[:, None], every) == WORKED.distance(every, every[:, None]).T).all()


@given(hierarchies(), st.data())
def test_lca_and_distance_agree_with_networkx(hierarchy, data):
    leaf = st.integers(0, hierarchy.sizes[-1] - 1)
    a, b = data.draw(leaf), data.draw(leaf)
    graph, last = as_graph(hierarchy), hierarchy.depth - 1
    assert nx.is_arborescence(graph)
    assert nx.lowest_common_ancestor(graph, (last, a), (last, b))[0] == hierarchy.lca_level(a, b)
    assert nx.shortest_path_length(graph.to_undirected(), (last, a), (last, b)) == hierarchy.distance(a, b)


@given(hierarchies())
def test_each_column_of_paths_is_the_parent_of_the_next(hierarchy):
    for k in range(1, hierarchy.depth):
        assert (hierarchy.levels[k].parents[hierarchy.paths[:, k]] == hierarchy.paths[:, k - 1]).all()
    assert (hierarchy.paths[:, -1] == np.arange(hierarchy.sizes[-1])).all()
    for k, size in enumerate(hierarchy.sizes):
        assert set(hierarchy.paths[:, k].tolist()) == set(range(size))


# ---------------------------------------------------------------- building from lineages


def test_labels_keep_the_order_in_which_they_first_appear():
    hierarchy = Hierarchy.from_lineages([("Z", "b"), ("A", "c"), ("Z", "a")], ("up", "down"), name="n", root="r")
    assert hierarchy.levels[0].labels == ("Z", "A")
    assert hierarchy.levels[1].labels == hierarchy.classes == ("b", "c", "a")
    assert hierarchy.levels[1].parents.tolist() == [0, 1, 0]


@given(hierarchies())
def test_lineages_build_the_same_tree_again(hierarchy):
    lineages = [hierarchy.lineage(name) for name in hierarchy.classes]
    again = Hierarchy.from_lineages(
        lineages, [level.name for level in hierarchy.levels], classes=hierarchy.classes, name="again", root="thing"
    )
    assert again.sizes == hierarchy.sizes
    assert [again.lineage(name) for name in hierarchy.classes] == lineages


def test_one_level_is_a_tree_too():
    hierarchy = Hierarchy.from_lineages([("a",), ("b",)], ("species",), name="flat", root="bird")
    assert hierarchy.paths.tolist() == [[0], [1]]
    assert hierarchy.distance(0, 1) == 2


@pytest.mark.parametrize(
    ("lineages", "text"),
    [
        ([("A", "F", "x"), ("A", "y")], r"lineage 1 \(A > y\): 2 labels for 3 levels"),
        ([("A", "F", "x"), ("B", "F", "y")], r"levels\[1\]\.labels\[1\]: family 'F' has two parents, 'A' and 'B'"),
        ([("A", "F", "x"), ("A", "G", "x")], r"levels\[2\]\.labels\[1\]: species 'x' has two parents, 'F' and 'G'"),
        ([("A", "F", "x"), ("A", "F", "x")], r"levels\[2\]\.labels\[1\]: species 'x' is listed twice"),
        ([("A", " ", "x")], r"levels\[1\]\.labels\[0\]: a family has no name"),
        ([], "a hierarchy needs a level and every level a label"),
    ],
)
def test_lineages_that_are_no_tree_are_refused(lineages, text):
    with pytest.raises(HierarchyError, match=text):
        Hierarchy.from_lineages(lineages, ("order", "family", "species"), name="n", root="r")


def test_a_hierarchy_cannot_be_constructed_unsound():
    levels = (Level("a", ("A", "B"), np.zeros(2, np.int64)), Level("b", ("x", "y"), np.zeros(2, np.int64)))
    with pytest.raises(HierarchyError, match=r"levels\[0\]\.labels\[1\]: 'B' has no b under it"):
        Hierarchy(name="n", root="r", levels=levels, classes=("x", "y"))


# ---------------------------------------------------------------- restricting


def test_restriction_drops_the_taxa_left_empty_and_keeps_the_order():
    kept = WORKED.restrict(["4.d", "1.a"])
    assert kept.classes == ("1.a", "4.d")
    assert [level.labels for level in kept.levels] == [("O1", "O2"), ("F1", "F3"), ("a", "d")]
    assert [level.parents.tolist() for level in kept.levels] == [[0, 0], [0, 1], [0, 1]]
    assert (kept.name, kept.root) == (WORKED.name, WORKED.root)


def test_restriction_filters_unknown_lists_that_stand_beside_the_labels():
    extras = {"scientific": ["A a", "A b", "C c", "D d", "D e"], "rank": "species", "pair": [1, 2]}
    finest = dataclasses.replace(WORKED.levels[-1], extras=extras)
    hierarchy = dataclasses.replace(WORKED, levels=(*WORKED.levels[:-1], finest), extras={"note": "kept"})
    kept = hierarchy.restrict(["5.e", "2.b"])
    assert kept.levels[-1].extras == {"scientific": ["A b", "D e"], "rank": "species", "pair": [1, 2]}
    assert kept.extras == {"note": "kept"}


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        (["1.a", "9.z", "8.y"], "class '8.y' is not in hierarchy 'worked'; 2 such in all"),
        (["a"], "class 'a' is not in"),  # the label; classes are asked for
        ([], "cannot be restricted to no class at all"),
    ],
)
def test_restriction_to_what_is_not_there_is_refused(classes, text):
    with pytest.raises(HierarchyError, match=text):
        WORKED.restrict(classes)


@given(hierarchies())
def test_restriction_to_all_classes_changes_nothing(hierarchy):
    assert hierarchy.restrict(reversed(hierarchy.classes)) == hierarchy


@given(hierarchies(), st.data())
def test_restriction_keeps_lineages_and_leaves_no_empty_taxon(hierarchy, data):
    some = data.draw(st.lists(st.sampled_from(hierarchy.classes), min_size=1, unique=True))
    kept = hierarchy.restrict(some)
    assert set(kept.classes) == set(some)
    assert all(kept.lineage(name) == hierarchy.lineage(name) for name in some)
    assert all(set(kept.paths[:, k].tolist()) == set(range(size)) for k, size in enumerate(kept.sizes))


# ---------------------------------------------------------------- identity


def test_equality_and_hash_are_about_the_tree_not_its_name_or_source():
    other = dataclasses.replace(WORKED, name="other", source={"kind": "elsewhere"}, dataset="x", extras={"note": 1})
    assert other == WORKED
    assert hash(other) == hash(WORKED)
    assert other.content_hash == WORKED.content_hash
    assert WORKED != "worked"


@pytest.mark.parametrize(
    "change",
    [
        {"root": "dog"},
        {"classes": ("2.b", "1.a", "3.c", "4.d", "5.e")},
        {"levels": (dataclasses.replace(WORKED.levels[0], name="clade"), *WORKED.levels[1:])},
        {"levels": (dataclasses.replace(WORKED.levels[0], labels=("O2", "O1")), *WORKED.levels[1:])},
        {"levels": (*WORKED.levels[:2], dataclasses.replace(WORKED.levels[2], parents=np.array([0, 1, 1, 2, 2])))},
    ],
)
def test_whatever_predictions_depend_on_changes_the_content_hash(change):
    assert dataclasses.replace(WORKED, **change) != WORKED


def test_the_content_hash_stays_the_same_between_versions():
    """Checkpoints carry it: a change here makes every old checkpoint unreadable."""
    assert WORKED.content_hash == "78932a3eec64d26e18edaa52731b8a924c6a34787899505b9b26c85c629136f1"


def test_nothing_in_a_hierarchy_can_be_assigned():
    with pytest.raises(dataclasses.FrozenInstanceError):
        WORKED.name = "mine"
    with pytest.raises(dataclasses.FrozenInstanceError):
        WORKED.levels[0].labels = ()
    for array in (WORKED.paths, *(level.parents for level in WORKED.levels)):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


# ---------------------------------------------------------------- the file


@given(hierarchies())
def test_json_round_trip_gives_the_same_hierarchy(hierarchy):
    again = Hierarchy.from_json(json.loads(json.dumps(hierarchy.to_json())))
    assert again == hierarchy
    assert (again.name, again.source, again.dataset) == (hierarchy.name, hierarchy.source, hierarchy.dataset)


def test_saving_what_was_loaded_gives_the_same_bytes(tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    WORKED.save(first)
    Hierarchy.load(first).save(second)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().endswith(b"\n")
    assert list(json.loads(first.read_text())) == ["format", "version", "name", "root", "source", "levels"]


def test_the_file_is_utf8_that_a_person_can_read(tmp_path):
    hierarchy = Hierarchy.from_lineages([("Łabędź",), ("鶴",)], ("gatunek",), name="n", root="ptak")
    hierarchy.save(tmp_path / "h.json")
    assert "Łabędź" in (tmp_path / "h.json").read_text(encoding="utf-8")
    assert Hierarchy.load(tmp_path / "h.json") == hierarchy


def test_unknown_keys_survive_a_round_trip_at_every_place(tmp_path):
    raw = WORKED.to_json()
    raw["licence"], raw["source"]["revision"], raw["levels"][1]["wikidata"] = "CC0", 10**30, ["Q1", None, {"x": 1.5}]
    (tmp_path / "in.json").write_text(json.dumps(raw))
    hierarchy = Hierarchy.load(tmp_path / "in.json")
    assert hierarchy.extras == {"licence": "CC0"}
    hierarchy.save(tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == raw


def test_saving_makes_the_folder_and_leaves_nothing_beside_the_file(tmp_path):
    WORKED.save(tmp_path / "new" / "folder" / "h.json")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["h.json"]


def test_a_write_that_fails_halfway_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "h.json"
    WORKED.save(path)
    before = path.read_bytes()
    big = dataclasses.replace(WORKED, extras={"filling": "x" * 100_000})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))  # as if the disk were full
    try:
        with pytest.raises(HiertaxError, match=r"h\.json: cannot be written: File too large; free some space"):
            big.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HiertaxError, match=r"file/h\.json: cannot be written: .*file is no folder; choose another"):
        WORKED.save(tmp_path / "file" / "h.json")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(HierarchyError, match=r"nowhere\.json: No such file or directory; check the path"):
        Hierarchy.load(tmp_path / "nowhere.json")


def test_a_path_may_be_text(tmp_path):
    WORKED.save(str(tmp_path / "h.json"))
    assert Hierarchy.load(str(Path(tmp_path / "h.json"))) == WORKED
