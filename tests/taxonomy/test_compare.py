"""Two hierarchies side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from taxonomy.cli import main
from taxonomy.compare import Comparison, compare, summary
from taxonomy.hierarchy import Hierarchy
from taxonomy.sources import curated

LEVELS = ("order", "family", "species")
LINES = [
    ("O1", "F1", "a"),
    ("O1", "F1", "b"),
    ("O1", "F2", "c"),
    ("O2", "F3", "d"),
    ("O2", "F3", "e"),
    ("O2", "F4", "f"),
]


def tree(*changes: tuple[str, str, str], levels: tuple[str, ...] = LEVELS, **about: Any) -> Hierarchy:
    """Return the small tree with the lineages of some classes replaced; a class is named as its first leaf."""
    changed = {line[-1]: line for line in changes}
    lines = [changed.get(line[-1], line) for line in LINES]
    return Hierarchy.from_lineages(lines, levels, **{"name": "t", "root": "r", **about})


def family(comparison: Comparison) -> Any:
    return next(level for level in comparison.levels if level.level == "family")


def test_published_birds_moved_one_class_and_one_family_went() -> None:
    comparison = compare(curated.build("cub-paper"), curated.build("cub"))
    (move,) = comparison.moved
    assert move.class_name == "084.Red_legged_Kittiwake"
    assert move.levels == ("order", "family")
    assert move.before[0] == "Coraciiformes"
    assert move.after == ("Charadriiformes", "Laridae")
    assert family(comparison).sizes == (38, 37)
    text = summary(comparison)
    assert "1 class moved order and family" in text
    assert "1 family went: Laridae (as Coraciiformes)" in text


def test_equal_hierarchies_agree_wholly() -> None:
    comparison = compare(tree(), tree(name="other"))
    assert comparison.equal
    assert all((level.ari, level.ami) == (1, 1) for level in comparison.levels)
    assert "no difference" in summary(comparison)


def test_order_of_classes_and_labels_does_not_matter() -> None:
    reverse = Hierarchy.from_lineages(LINES[::-1], LEVELS, name="t", root="r")
    assert compare(tree(), reverse).equal


def test_renamed_taxon_is_not_a_move() -> None:
    comparison = compare(tree(), tree(("O1", "G1", "a"), ("O1", "G1", "b")))
    assert family(comparison).renamed == (("F1", "G1"),)
    assert not comparison.moved
    assert not family(comparison).removed
    assert not comparison.equal


def test_split_and_merge_are_each_others_reverse() -> None:
    whole, parted = tree(), tree(("O1", "G1", "b"))
    there, back = family(compare(whole, parted)), family(compare(parted, whole))
    assert there.split == (("F1", ("F1", "G1")),)
    assert there.added == ("G1",)
    assert back.merged == ((("F1", "G1"), "F1"),)
    assert back.removed == ("G1",)
    assert not there.merged
    assert not back.split


def test_move_to_an_old_taxon_is_neither_split_nor_merge() -> None:
    comparison = compare(tree(), tree(("O1", "F2", "b")))
    assert [(m.class_name, m.levels) for m in comparison.moved] == [("b", ("family",))]
    assert not family(comparison).split
    assert not family(comparison).merged


def test_family_under_another_order_moves_its_classes_at_that_level_only() -> None:
    comparison = compare(tree(), tree(("O1", "F3", "d"), ("O1", "F3", "e")))
    assert [(m.class_name, m.levels) for m in comparison.moved] == [("d", ("order",)), ("e", ("order",))]
    assert "2 classes moved order: O2 > F3 -> O1 > F3: d, e" in summary(comparison)


def test_classes_and_levels_of_one_side_are_named() -> None:
    a = tree()
    lines = [(line[1], line[2]) for line in LINES[:-1]] + [("F4", "g")]
    b = Hierarchy.from_lineages(lines, ("family", "species"), name="b", root="r")
    comparison = compare(a, b)
    assert (comparison.classes_removed, comparison.classes_added) == (("f",), ("g",))
    assert (comparison.levels_removed, comparison.levels_added) == (("order",), ())
    assert not comparison.moved


def test_levels_of_other_names_pair_by_position() -> None:
    comparison = compare(tree(), tree(levels=("level 1", "level 2", "level 3")))
    assert comparison.equal
    assert [level.level for level in comparison.levels] == list(LEVELS)


def test_hierarchies_without_a_common_class_compare() -> None:
    other = Hierarchy.from_lineages([("X", "Y", "z")], LEVELS, name="b", root="r")
    comparison = compare(tree(), other)
    assert comparison.shared == 0
    assert not comparison.equal
    assert summary(comparison)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=12))
def test_agreement_is_that_of_its_definition(groups: list[tuple[int, int]]) -> None:
    one, two = (np.array(column) for column in zip(*groups, strict=True))
    hierarchies = [
        Hierarchy.from_lineages([(str(g), f"c{i}") for i, g in enumerate(column)], ("g", "c"), name="t", root="r")
        for column in (one, two)
    ]
    level = compare(*hierarchies).levels[0]
    pairs = [(one[i] == one[j], two[i] == two[j]) for i in range(len(one)) for j in range(i)]
    together = np.array(pairs, dtype=float)
    index, expected = (together[:, 0] * together[:, 1]).sum(), together[:, 0].sum() * together[:, 1].sum() / len(pairs)
    most = together.sum() / 2
    assert level.ari == pytest.approx(1.0 if most == expected else (index - expected) / (most - expected))
    assert level.ami is not None
    assert level.ami <= 1 + 1e-9


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("xyz")), min_size=6, max_size=6))
def test_comparison_of_any_two_trees_is_equal_only_to_itself(families: list[tuple[str, str]]) -> None:
    lines = [(order, order + fam, leaf) for (order, fam), leaf in zip(families, "abcdef", strict=True)]
    other = Hierarchy.from_lineages(lines, LEVELS, name="b", root="r")
    assert compare(other, other).equal
    assert not compare(tree(), other).equal
    json.dumps(compare(tree(), other).to_json())


def test_command_prints_words_or_json(tmp_path: Path) -> None:
    paths = []
    for dataset in ("cub-paper", "cub"):
        paths.append(str(tmp_path / f"{dataset}.json"))
        curated.build(dataset).save(paths[-1])
    words = CliRunner().invoke(main, ["compare", *paths])
    assert words.exit_code == 0
    assert "084.Red_legged_Kittiwake" in words.output
    content = json.loads(CliRunner().invoke(main, ["compare", "--json", *paths]).output)
    assert content["moved"][0]["levels"] == ["order", "family"]
    assert content["levels"][1]["removed"] == ["Laridae (as Coraciiformes)"]


def test_trees_that_share_no_class_neither_agree_nor_disagree() -> None:
    cub, cars = (compare(curated.build("cub"), curated.build(name)) for name in ("cub", "cars"))
    assert [(level.ari, level.ami) for level in cub.levels] == [(1.0, 1.0)] * 3
    assert [(level.ari, level.ami) for level in cars.levels] == [(None, None)]
    assert summary(cars).splitlines()[-1].split()[-2:] == ["-", "-"]
