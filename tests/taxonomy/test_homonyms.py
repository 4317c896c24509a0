"""Names that are not unique: refused with the way out, or told apart by their parents, in every reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from taxonomy import formats
from taxonomy.cli import main
from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions, from_table

PRUNELLA = "family,genus,species\nLamiaceae,Prunella,self-heal\nPrunellidae,Prunella,dunnock\n"
TWICE = {
    "lineage-csv": "group,kind\nMammal,Other\nBird,Other\nBird,Crow\n",
    "parent-child-csv": "id,parent,label\n1,,Animal\n2,1,Mammal\n3,1,Bird\n4,2,Other\n5,3,Other\n6,3,Crow\n",
    "edges": "2 1\n3 1\n4 2\n5 3\n6 3\n",
    "newick": "((Other)Mammal,(Other,Crow)Bird)Animal;",
    "nexus": "#NEXUS\nbegin trees;\ntree t = ((Other)Mammal,(Other,Crow)Bird)Animal;\nend;\n",
    "outline": "Animal\n\tMammal\n\t\tOther\n\tBird\n\t\tOther\n\t\tCrow\n",
    "nested-json": '{"Mammal": ["Other"], "Bird": ["Other", "Crow"]}',
    "node-link": '{"directed": true, "nodes": [{"id": 1}, {"id": 2, "name": "Mammal"}, {"id": 3, "name": "Bird"},'
    ' {"id": 4, "name": "Other"}, {"id": 5, "name": "Other"}, {"id": 6, "name": "Crow"}], "links": ['
    '{"source": 1, "target": 2}, {"source": 1, "target": 3}, {"source": 2, "target": 4}, {"source": 3, "target": 5},'
    ' {"source": 3, "target": 6}]}',
}
NAMES = {"1": "Animal", "2": "Mammal", "3": "Bird", "4": "Other", "5": "Other", "6": "Crow"}


@pytest.mark.parametrize("kind", TWICE)
def test_a_shared_name_is_refused_or_told_apart(kind: str) -> None:
    labels = NAMES if kind == "edges" else None
    with pytest.raises(HierarchyError, match="--qualify"):
        formats.decode(TWICE[kind].encode(), kind, ImportOptions(labels=labels))
    reading = ImportOptions(labels=labels, qualify=True)
    hierarchy = formats.decode(TWICE[kind].encode(), kind, reading)
    assert hierarchy.levels[-1].labels == ("Other (Mammal)", "Other (Bird)", "Crow")
    assert "names told apart by their parents: 2" in "; ".join(reading.notes)
    assert hierarchy.classes == (("4", "5", "6") if kind == "edges" else hierarchy.levels[-1].labels)


def test_homonyms_of_inner_levels_are_told_apart() -> None:
    hierarchy = formats.decode(PRUNELLA.encode(), "lineage-csv", ImportOptions(qualify=True))
    assert hierarchy.levels[1].labels == ("Prunella (Lamiaceae)", "Prunella (Prunellidae)")
    assert hierarchy.classes == ("self-heal", "dunnock")


def test_parents_that_share_a_name_are_told_apart_first() -> None:
    rows = [("A", "x", "y"), ("B", "x", "y"), ("B", "z", "y")]
    hierarchy = from_table(rows, ("a", "b", "c"), ImportOptions(qualify=True))
    assert hierarchy.levels[2].labels == ("y (x (A))", "y (x (B))", "y (z)")


def test_a_leaf_that_is_listed_twice_stays_a_fault() -> None:
    with pytest.raises(HierarchyError, match="listed twice"):
        from_table([("A", "x"), ("A", "x")], ("a", "b"), ImportOptions(qualify=True), ["1", "2"])


@given(st.lists(st.tuples(*[st.sampled_from("ab")] * 4), min_size=1, max_size=12))
@settings(max_examples=100)
def test_any_table_can_be_qualified_and_keeps_its_tree(rows: list[tuple[str, ...]]) -> None:
    hierarchy = from_table(rows, ("w", "x", "y", "z"), ImportOptions(qualify=True))
    assert hierarchy.sizes == tuple(len({row[: k + 1] for row in rows}) for k in range(4))
    for row, name in zip(dict.fromkeys(rows), hierarchy.classes, strict=True):
        assert [label.partition(" (")[0] for label in hierarchy.lineage(name)] == list(row)


def test_the_command_names_the_option_and_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text(PRUNELLA)
    refused = CliRunner().invoke(main, ["build", "--csv", "t.csv"])
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "hiertax build --qualify" in refused.stderr
    done = CliRunner().invoke(main, ["build", "--csv", "t.csv", "--qualify", "--out", "t.json"])
    assert (done.exit_code, done.stderr) == (0, "names told apart by their parents: 2\n")
    assert "Prunella (Lamiaceae)" in Hierarchy.load("t.json").levels[1].labels
