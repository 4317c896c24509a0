"""The node-link JSON of networkx, and the networkx graph itself.

Nodes are numbered from the root (0), level by level; each has ``label`` and ``level``, leaves also ``class``.
The graph's own attributes carry name, dataset, root, levels and source, so nothing of the tree is lost.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from taxonomy.document import once
from taxonomy.errors import HierarchyError
from taxonomy.formats.graph import from_graph
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions

if TYPE_CHECKING:
    import networkx as nx

ROOT_LEVEL = "root"


def to_networkx(hierarchy: Hierarchy) -> nx.DiGraph[int]:
    """Return the hierarchy as a directed networkx graph, edges from parent to child."""
    import networkx as nx  # slow to import, and few commands need it

    graph: nx.DiGraph[int] = nx.DiGraph(
        name=hierarchy.name, dataset=hierarchy.dataset, root=hierarchy.root,
        levels=[level.name for level in hierarchy.levels], source=dict(hierarchy.source),
    )  # fmt: skip
    graph.add_node(0, label=hierarchy.root, level=ROOT_LEVEL)
    above, start = 0, 1  # the first node of the level above, and of this one
    for level in hierarchy.levels:
        for i, (label, parent) in enumerate(zip(level.labels, level.parents.tolist(), strict=True)):
            graph.add_node(start + i, label=label, level=level.name)
            graph.add_edge(above + parent, start + i)
        above, start = start, start + len(level)
    for i, name in enumerate(hierarchy.classes):
        graph.nodes[above + i]["class"] = name
    return graph


def from_networkx(graph: nx.Graph[Any], reading: ImportOptions | None = None) -> Hierarchy:
    """Build a hierarchy from a directed networkx tree, edges from parent to child.

    A node is called by its attribute ``label`` or ``name``, else by its own id.

    Raises
    ------
    HierarchyError
        If the graph is undirected or no tree, or breaks a rule. Where it is acyclic,
        `ImportOptions.parents` makes it one.
    """
    reading = reading or ImportOptions()
    if not graph.is_directed():
        raise HierarchyError("the graph is undirected; direct its edges from parent to child")
    place = {node: i for i, node in enumerate(graph.nodes)}
    labels = [str(data.get("label", data.get("name", node))) for node, data in graph.nodes(data=True)]
    classes = [str(data.get("class", label)) for label, data in zip(labels, graph.nodes.values(), strict=True)]
    edges = [(place[child], place[parent]) for parent, child in graph.edges()]
    levels = graph.graph.get("levels")
    if reading.levels is None and reading.depths is None and isinstance(levels, list):
        reading = replace(reading, levels=tuple(str(name) for name in levels))
    return from_graph(labels, edges, reading, forest=False, classes=classes, **_about(graph.graph))


def _about(attributes: dict[str, Any]) -> dict[str, Any]:
    texts = {key: text for key in ("name", "dataset", "root") if isinstance(text := attributes.get(key), str) and text}
    source = attributes.get("source")
    return {**texts, "source": source if isinstance(source, dict) else {}}


def write(hierarchy: Hierarchy) -> str:
    """Return the hierarchy as node-link JSON, as ``networkx.node_link_graph`` reads it."""
    import networkx as nx

    data = nx.node_link_data(to_networkx(hierarchy), edges="edges")
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def read(text: str, reading: ImportOptions) -> Hierarchy:
    """Read node-link JSON, written here or by networkx (its older versions call the edges ``links``).

    Raises
    ------
    HierarchyError
        If it is not node-link JSON, no directed tree, or breaks a rule.
    """
    import networkx as nx

    try:
        data = json.loads(text, object_pairs_hook=once)
        if unknown := _unknown_ends(data):
            raise HierarchyError(f"an edge leads to {unknown[0]!r}, which is no node; add it or remove the edge")
        graph = nx.node_link_graph(data, edges="edges" if "edges" in data else "links")
        return from_networkx(graph, reading)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, nx.NetworkXException) as error:
        reason = f"key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise HierarchyError(f"not node-link JSON: {reason}; networkx.node_link_data makes such files") from None


def _unknown_ends(data: Any) -> list[Hashable]:
    """Return the ends of edges that are no nodes, which networkx would add in silence."""
    nodes = {node["id"] for node in data["nodes"]}
    edges = data["edges" if "edges" in data else "links"]
    return [end for edge in edges for end in (edge["source"], edge["target"]) if end not in nodes]


def looks_like(content: bytes) -> bool:
    """Tell whether JSON that is no hierarchy file is a node-link graph."""
    return b'"nodes"' in content
