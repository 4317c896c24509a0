"""Hierarchies from pandas tables and back, and the examples in docstrings."""

from __future__ import annotations

import doctest
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from trees import WORKED, hierarchies

from taxonomy import Hierarchy, HierarchyError
from taxonomy.ranks import is_placeholder


@pytest.mark.parametrize("module", ["hierarchy", "datasets.find"])
def test_examples_in_docstrings_are_true(module: str) -> None:
    results = doctest.testmod(import_module(f"taxonomy.{module}"))
    assert results.attempted
    assert not results.failed


def test_a_hierarchy_is_a_table_of_a_row_per_class() -> None:
    frame = WORKED.to_frame()
    assert list(frame.columns) == ["order", "family", "species", "class"]
    assert frame.iloc[2].tolist() == ["O1", "F2", "c", "3.c"]
    assert len(frame) == 5


@given(hierarchies())
def test_a_table_gives_the_hierarchy_back(hierarchy: Hierarchy) -> None:
    assume(not any(is_placeholder(label) for level in hierarchy.levels[:-1] for label in level.labels))
    frame = hierarchy.to_frame()
    levels = [level.name for level in hierarchy.levels]
    again = Hierarchy.from_frame(frame, levels, classes="class", name=hierarchy.name, root=hierarchy.root)
    pd.testing.assert_frame_equal(again.to_frame(), frame)
    assert again.sizes == hierarchy.sizes
    assert all(again.lineage(name) == hierarchy.lineage(name) for name in hierarchy.classes)
    assert Hierarchy.from_frame(again.to_frame(), levels, classes="class", name="x", root=hierarchy.root) == again


def test_equal_rows_are_one_class_and_other_columns_do_not_matter() -> None:
    frame = pd.DataFrame(
        {"image": [1, 2, 3], "b": ["x", "x", "y"], "a": pd.Categorical(["p", "p", "q"])}, index=list("ijk")
    )
    hierarchy = Hierarchy.from_frame(frame, ["a", "b"])
    assert (hierarchy.classes, hierarchy.name, hierarchy.root) == (("x", "y"), "hierarchy", "object")
    assert hierarchy.lineage("y") == ("q", "y")


@pytest.mark.parametrize("word", ["NA", "unknown", "?"])
def test_a_placeholder_makes_nobody_kin(word: str) -> None:
    frame = pd.DataFrame({"a": [word, word], "b": ["x", "y"]})
    with pytest.raises(HierarchyError, match=r"column 'a': is .*, which is no name; fill it in"):
        Hierarchy.from_frame(frame, ["a", "b"])
    assert Hierarchy.from_frame(frame[:1], ["b", "a"]).classes == (word,)


def test_whole_numbers_are_names() -> None:
    frame = pd.DataFrame({"a": [1, 1], "b": np.array([7, 8], dtype=np.uint8)})
    assert Hierarchy.from_frame(frame, ["a", "b"]).classes == ("7", "8")


@pytest.mark.parametrize(
    ("columns", "asked", "fault"),
    [
        ({"a": ["x"]}, ["a", "b"], "column 'b' is in the table 0 times; its columns are 'a'"),
        ({"a": ["x"]}, ["a", "a"], "column 'a' is asked for twice"),
        ({"a": ["x", None], "b": ["y", "z"]}, ["a", "b"], "row 1, column 'a': is None"),
        ({"a": ["x", "x"], "b": ["y", " "]}, ["a", "b"], "row 1, column 'b': is blank; fill it in, or let"),
        ({"a": ["x", "x"], "b": [1.0, 2.5]}, ["a", "b"], "row 0, column 'b': is 1.0, which is no name"),
        ({"a": ["x", "y"], "b": ["z", "z"]}, ["a", "b"], "b 'z' has two parents, 'x' and 'y'"),
    ],
)
def test_a_table_that_is_no_hierarchy_is_refused(
    columns: dict[str, list[object]], asked: list[str], fault: str
) -> None:
    with pytest.raises(HierarchyError) as caught:
        Hierarchy.from_frame(pd.DataFrame(columns, dtype=object), asked)
    assert fault in str(caught.value)


def test_a_level_called_class_needs_another_name_for_the_classes() -> None:
    hierarchy = Hierarchy.from_lineages([("Aves", "a")], ("class", "species"), name="h", root="r")
    with pytest.raises(HierarchyError, match="a level is called 'class'; give the column of class names another name"):
        hierarchy.to_frame()
    assert list(hierarchy.to_frame(classes="folder").columns) == ["class", "species", "folder"]
