"""What is written is the same tree to programs that know nothing of hiertax."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from taxonomy import formats
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions
from taxonomy.sources import curated

Bio = pytest.importorskip("Bio", reason="Biopython is not installed")
bigtree = pytest.importorskip("bigtree", reason="bigtree is not installed")
from Bio import Phylo  # noqa: E402 - after the check that it is there

TREES = [curated.build("cub"), curated.build("cars")]
HARD = Hierarchy.from_lineages(
    [("O'Brien (x), y", "a_b"), ("O'Brien (x), y", "c: d"), ("100", "0.5 [e]")], ("group", "kind"), name="n", root="r s"
)
Paths = set[tuple[str, ...]]


def paths(hierarchy: Hierarchy) -> Paths:
    return {(hierarchy.root, *hierarchy.lineage(name)) for name in hierarchy.classes}


def written(hierarchy: Hierarchy, kind: str) -> str:
    return formats.encode(hierarchy, kind).decode()


def paths_of_graph(graph: nx.DiGraph, name: str | None = None) -> Paths:
    (root,) = (node for node in graph if graph.in_degree(node) == 0)
    leaves = [node for node in graph if graph.out_degree(node) == 0]
    routes: Iterable[list[object]] = (nx.shortest_path(graph, root, leaf) for leaf in leaves)
    return {tuple(str(graph.nodes[node][name]) if name else str(node) for node in route) for route in routes}


@pytest.mark.parametrize("tree", [*TREES, HARD], ids=lambda tree: tree.name)
def test_networkx_reads_the_graph_and_the_edges(tree: Hierarchy) -> None:
    graph = nx.node_link_graph(json.loads(written(tree, "node-link")), edges="edges")
    assert paths_of_graph(graph, "label") == paths(tree)
    listed = nx.parse_edgelist(written(tree, "edges").splitlines(), delimiter="\t", create_using=nx.DiGraph)
    assert paths_of_graph(listed) == paths(tree)


@pytest.mark.parametrize(("tree", "kind"), [(tree, "newick") for tree in (*TREES, HARD)] + [(TREES[0], "nexus")])
def test_biopython_reads_the_tree(tree: Hierarchy, kind: str) -> None:
    read = Phylo.read(io.StringIO(written(tree, kind)), kind)
    found = set()
    for leaf in read.get_terminals():
        names = [
            str(clade.name if clade.name is not None else clade.confidence)
            for clade in [read.root, *read.get_path(leaf)]
        ]
        found.add(tuple(names))
    if kind == "nexus":  # whose reader there leaves some names in their quotes
        found = {tuple(re.sub("^'(.*)'$", r"\1", name).replace("''", "'") for name in path) for path in found}
    assert found == paths(tree)


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_bigtree_reads_nested_json_and_the_table_of_parents(tree: Hierarchy) -> None:
    def paths_of(root: object) -> Paths:
        return {tuple(leaf.path_name.strip("\t").split("\t")) for leaf in root.leaves}  # type: ignore[attr-defined]

    nested = bigtree.nested_dict_to_tree(json.loads(written(tree, "nested-json")))
    nested.sep = "\t"
    assert paths_of(nested) == paths(tree)
    frame = pd.read_csv(io.StringIO(written(tree, "edges").removeprefix("# ")), sep="\t")
    related = bigtree.dataframe_to_tree_by_relation(frame, child_col="child", parent_col="parent")
    related.sep = "\t"
    assert paths_of(related) == paths(tree)


@pytest.mark.parametrize("kind", ["lineage-csv", "parquet", "xlsx"])
@pytest.mark.parametrize("tree", [*TREES, HARD], ids=lambda tree: tree.name)
def test_pandas_reads_the_tables(tree: Hierarchy, kind: str) -> None:
    content = io.BytesIO(formats.encode(tree, kind))
    as_text = {"dtype": str, "keep_default_na": False}
    frame = (
        pd.read_parquet(content) if kind == "parquet"
        else pd.read_excel(content, **as_text) if kind == "xlsx"
        else pd.read_csv(content, **as_text)
    )  # fmt: skip
    assert list(frame.columns) == [*(level.name for level in tree.levels), "class"]
    rows = {tuple(row) for row in frame.itertuples(index=False)}
    assert rows == {(*tree.lineage(name), name) for name in tree.classes}


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_hiclass_trains_on_the_labels_and_gives_them_back(tree: Hierarchy) -> None:
    hiclass = pytest.importorskip("hiclass", reason="hiclass is not installed")
    from sklearn.tree import DecisionTreeClassifier

    content = formats.encode(tree, "hiclass")
    labels = np.load(io.BytesIO(content))
    index = np.arange(len(labels)).reshape(-1, 1)
    samples = np.repeat(index, 3, axis=0)
    model = hiclass.LocalClassifierPerParentNode(DecisionTreeClassifier(random_state=0))
    model.fit(samples, labels[samples[:, 0]])
    parted = [tuple(node.split(model.separator_)) for node in model.hierarchy_ if node != model.root_]
    taxa = {line[:k] for line in map(tuple, labels.tolist()) for k in range(1, tree.depth + 1)}
    assert set(parted) == taxa
    out = io.BytesIO()
    np.save(out, np.asarray(model.predict(index)).astype(str))
    levels = tuple(level.name for level in tree.levels)
    again = formats.decode(out.getvalue(), "hiclass", ImportOptions(levels=levels, root=tree.root))
    assert paths(again) == {(tree.root, *map(str, row)) for row in labels}


def test_ete_reads_the_tree() -> None:
    ete = pytest.importorskip("ete4", reason="ete4 is not installed")
    tree = TREES[0]
    read = ete.Tree(written(tree, "newick"), parser=1)
    assert {leaf.name for leaf in read.leaves()} == set(tree.levels[-1].labels)
