"""Lowest common ancestors, against the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxonomy import lca
from taxonomy.hierarchy import Hierarchy
from taxonomy.metrics import hierarchical_precision_recall


@st.composite
def trees(draw: st.DrawFn) -> Hierarchy:
    depth = draw(st.integers(1, 5))
    leaves = draw(st.lists(st.lists(st.integers(0, 3), min_size=depth, max_size=depth), min_size=1, max_size=30))
    paths = sorted({tuple(leaf) for leaf in leaves})
    lineages = [[".".join(map(str, path[: k + 1])) for k in range(depth)] for path in paths]
    return Hierarchy.from_lineages(lineages, [f"level{k}" for k in range(depth)], name="t", root="r")


def by_definition(tree: Hierarchy, a: int, b: int) -> int:
    return sum(tree.paths[a, k] == tree.paths[b, k] for k in range(tree.depth)) - 1


@given(trees())
def test_every_pair_has_the_ancestor_of_the_definition(tree: Hierarchy) -> None:
    leaves = np.arange(tree.sizes[-1])
    expected = [[by_definition(tree, a, b) for b in leaves] for a in leaves]
    assert tree.lca_level(leaves[:, None], leaves[None, :]).tolist() == expected
    assert lca.lca_level(tree.paths, None, leaves[:, None], leaves[None, :]).tolist() == expected


def chain(depth: int) -> Hierarchy:
    """Return a tree whose every level has two taxa more than it must: too deep for codes of 63 bits."""
    lineages = [[str(k) if k < i else f"{k} of {i}" for k in range(depth)] for i in range(depth)]
    return Hierarchy.from_lineages(lineages, [f"level{k}" for k in range(depth)], name="t", root="r")


@pytest.mark.parametrize("depth", [20, 40, 63, 64, 140])
def test_deep_trees_have_them_too(depth: int) -> None:
    tree = chain(depth)
    assert (tree._path_codes is None) == (depth > 64)
    leaves = np.arange(depth)
    expected = np.minimum(leaves[:, None], leaves[None, :]) - 1
    np.fill_diagonal(expected, depth - 1)
    assert (tree.lca_level(leaves[:, None], leaves[None, :]) == expected).all()


@pytest.mark.parametrize("count", [0, 1, lca.BLOCK, lca.BLOCK + 1])
def test_pairs_are_answered_alike_in_whatever_blocks(count: int) -> None:
    tree = chain(5)
    a, b = np.random.default_rng(0).integers(0, 5, (2, count))
    assert tree.lca_level(a, b).tolist() == [by_definition(tree, i, j) for i, j in zip(a, b, strict=True)]
    if count:
        scores = hierarchical_precision_recall(tree, tree.paths[a], tree.paths[b], nodes="leaf+ancestors")
        assert scores.f1 == pytest.approx(float((tree.lca_level(a, b) + 1).mean() / tree.depth))


def test_pairs_shared_among_threads_are_answered_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = chain(20)
    a, b = np.random.default_rng(0).integers(0, 20, (2, 10_000))
    expected = tree.lca_level(a, b)
    monkeypatch.setattr(lca, "BLOCK", 100)
    monkeypatch.setattr(lca, "SHARE", 700)
    assert (tree.lca_level(a, b) == expected).all()
    with pytest.raises(IndexError):
        tree.lca_level(a, b + 10)


def test_a_leaf_that_is_not_there_is_an_error() -> None:
    with pytest.raises(IndexError):
        chain(3).lca_level(0, 3)
