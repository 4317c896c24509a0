"""Trees of uneven depth: what each policy does with a gap, and that nothing is done in silence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions, from_table, from_tree
from taxonomy.ragged import POLICIES, Ragged

LEVELS = ("order", "family", "species")
GAPS = [("O", "F", "s"), ("O", "", "hoatzin"), ("P", "", "q")]


def lineages(hierarchy: Hierarchy) -> list[tuple[str, ...]]:
    return [hierarchy.lineage(name) for name in hierarchy.classes]


def table(rows: Sequence[tuple[str, ...]], ragged: Ragged, classes: list[str] | None = None) -> Hierarchy:
    return from_table(rows, LEVELS, ImportOptions(ragged=ragged), classes)


def test_an_even_table_is_the_same_under_every_policy_and_leaves_no_remark() -> None:
    built = [table([("O", "F", "s"), ("O", "F", "t")], policy) for policy in POLICIES]
    assert built[0] == built[1] == built[2]
    assert all("ragged" not in hierarchy.source for hierarchy in built)


@pytest.mark.parametrize(
    ("setting", "known"),
    [("ragged", "error, fill, collapse"), ("edges", "child-parent, parent-child"), ("parents", "refuse, first")],
)
def test_a_choice_that_there_is_not_is_refused_rather_than_taken_for_another(setting: str, known: str) -> None:
    with pytest.raises(HierarchyError, match=f"`{setting}` Fill: there is none; choose from {known}"):
        ImportOptions(**{setting: "Fill"})  # type: ignore[arg-type]


def test_error_names_the_first_gap_and_counts_them_all() -> None:
    with pytest.raises(
        HierarchyError, match=re.escape("2 of 3 lineages have a gap, the first at level 'family' of O > ?")
    ):
        table(GAPS, "error")


def test_fill_names_a_gap_after_the_taxon_below_and_claims_no_kinship() -> None:
    hierarchy = table(GAPS, "fill")
    assert lineages(hierarchy) == [("O", "F", "s"), ("O", "hoatzin (family)", "hoatzin"), ("P", "q (family)", "q")]
    assert hierarchy.source["ragged"] == {"policy": "fill", "lineages": 2, "taxa": 2}


def test_fill_names_a_gap_at_the_end_after_the_taxon_above_and_keeps_its_class() -> None:
    hierarchy = table([("O", "F", "s"), ("O", "G", "")], "fill")
    assert hierarchy.levels[-1].labels == ("s", "G (species)")
    assert hierarchy.classes == ("s", "G")
    assert table([("O", "G", "")], "fill", classes=["044.Frigatebird"]).classes == ("044.Frigatebird",)


def test_collapse_drops_the_levels_with_gaps() -> None:
    hierarchy = table(GAPS, "collapse")
    assert [level.name for level in hierarchy.levels] == ["order", "species"]
    assert lineages(hierarchy) == [("O", "s"), ("O", "hoatzin"), ("P", "q")]
    assert hierarchy.source["ragged"] == {"policy": "collapse", "lineages": 2, "dropped": ["family"]}


def test_collapse_to_nothing_and_empty_lineages_are_refused() -> None:
    with pytest.raises(HierarchyError, match="collapse leaves none"):
        table([("", "F", "s"), ("O", "", "t"), ("O", "G", "")], "collapse")
    with pytest.raises(HierarchyError, match="lineage 2 names no taxon"):
        table([("O", "F", "s"), ("", " ", "")], "fill")


def test_fill_does_not_hide_a_taxon_with_two_parents() -> None:
    with pytest.raises(HierarchyError, match="two parents"):
        table([("O", "F", "s"), ("", "F", "t")], "fill")


def test_in_a_tree_without_ranks_the_leaf_stands_at_the_finest_level() -> None:
    labels = ["animal", "bird", "duck", "mallard", "dog"]
    parents = [-1, 0, 1, 2, 0]
    hierarchy = from_tree(labels, parents, ImportOptions(ragged="fill", levels=("a", "b", "c")))
    assert hierarchy.root == "animal"
    assert lineages(hierarchy) == [("bird", "duck", "mallard"), ("dog (a)", "dog (b)", "dog")]
    assert from_tree(labels, parents, ImportOptions(ragged="collapse")).levels[0].labels == ("mallard", "dog")
    with pytest.raises(HierarchyError, match="1 of 2 lineages have a gap"):
        from_tree(labels, parents, ImportOptions())


def test_a_small_file_cannot_ask_for_endless_memory() -> None:
    """A comb: 9,000 levels, each with a leaf of its own."""
    teeth = 9_000
    parents = [-1, *range(teeth), *range(teeth)]
    labels = [f"n{i}" for i in range(len(parents))]
    for policy in POLICIES:
        with pytest.raises(HierarchyError, match="lineages have a gap" if policy == "error" else "too many to level"):
            from_tree(labels, parents, ImportOptions(ragged=policy))


def test_an_absurdly_deep_tree_is_refused() -> None:
    with pytest.raises(HierarchyError, match="more than 10000 levels deep"):
        from_tree([str(i) for i in range(10_003)], [*range(-1, 10_002)], ImportOptions())


def test_level_names_must_match_the_depth_of_a_tree() -> None:
    with pytest.raises(HierarchyError, match="1 level names \\(species\\) for a tree of 2 levels"):
        from_tree(["r", "a", "b"], [-1, 0, 1], ImportOptions(levels=("species",)))


@given(st.lists(st.tuples(*[st.sampled_from(["", "a", "b", "c", " "])] * 3), max_size=6), st.sampled_from(POLICIES))
@settings(max_examples=300, deadline=None)
def test_a_policy_gives_a_sound_hierarchy_or_a_reason(rows: list[tuple[str, ...]], policy: Ragged) -> None:
    with suppress(HierarchyError):
        hierarchy = table(rows, policy)
        assert all(label.strip() for level in hierarchy.levels for label in level.labels)


@given(st.lists(st.integers(-1, 7), min_size=1, max_size=8), st.sampled_from(POLICIES))
@settings(max_examples=300, deadline=None)
def test_no_parent_array_gives_anything_but_a_tree_or_a_reason(parents: list[int], policy: Ragged) -> None:
    parents = [min(parent, len(parents) - 1) for parent in parents]
    labels = [f"n{i}" for i in range(len(parents))]
    with suppress(HierarchyError):
        hierarchy = from_tree(labels, parents, ImportOptions(ragged=policy))
        leaves = {labels[i] for i in range(len(labels)) if i not in parents}
        assert set(hierarchy.classes) == leaves
