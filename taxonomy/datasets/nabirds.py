"""NABirds: lists such as CUB's, and ``hierarchy.txt``, in which classes stand at uneven depth.

``classes.txt`` names every node of the tree, so that one name may stand there several times. The classes are the
leaves; an image of an inner node is known to that depth only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from taxonomy.datasets.conventions import nfc
from taxonomy.datasets.dataset import Dataset, make_table
from taxonomy.datasets.lineages import Lineage, known_depth, name_of_taxon
from taxonomy.datasets.notes import few, without_images
from taxonomy.datasets.numbered import LISTS, entries, read_lists
from taxonomy.errors import HiertaxError

TREE = "hierarchy.txt"


def recognises(root: Path) -> bool:
    """Tell whether a folder has this layout."""
    return (root / "images.txt").is_file() and (root / TREE).is_file()


def read(root: Path) -> Dataset:
    """Read the lists; images are in the order of ``images.txt``.

    Lineages count from below the root, with the leaves at the finest level: what is missing is just above the leaf.

    Raises
    ------
    HiertaxError
        If a list is missing, a line of it does not fit the others, or the tree is none.
    """
    lists = read_lists(root, "NABirds'")
    parents = entries(root / TREE, "NABirds'")
    chains = _chains(parents, lists.names, root / TREE)
    inner = set(parents.values())
    labelled = set(lists.labels)
    nodes = [
        node for node in lists.names if node in chains and chains[node] and (node not in inner or node in labelled)
    ]
    if lost := sorted(labelled - set(nodes)):
        raise HiertaxError(
            f"{root / TREE}: class {lost[0]!r}, which has images, is not in the tree below its root; restore the list"
        )
    lines = _lines([chains[node] for node in nodes], [node not in inner for node in nodes], lists.names)
    levels = tuple(f"level {k + 1}" for k in range(len(lines[0])))
    classes = _class_names(lines, levels)
    place = {node: i for i, node in enumerate(nodes)}
    codes = [place[node] for node in lists.labels]
    table = make_table(lists.paths, codes, lists.splits, classes, lists.boxes)
    dataset = Dataset(root, classes, table, "nabirds", (), levels, tuple(lines))
    return dataset.noting(*without_images(classes, dataset.counts(), LISTS[0]))


def _chains(parents: Mapping[str, str], names: Mapping[str, str], path: Path) -> dict[str, tuple[str, ...]]:
    """Return for each node the nodes from below the root down to it; empty for the root."""
    chains: dict[str, tuple[str, ...]] = {}
    for start in parents:
        above: list[str] = []
        node = start
        while node in parents and node not in chains:
            if node in above:
                raise HiertaxError(f"{path}: class {node!r} is its own ancestor; restore the list")
            above.append(node)
            node = parents[node]
        chain = chains.setdefault(node, ())
        for below in reversed(above):
            chain = chains[below] = (*chain, below)
    if len(roots := sorted(node for node, chain in chains.items() if not chain)) != 1:
        raise HiertaxError(f"{path}: a tree has one root, this has {len(roots)} ({few(roots)}); restore the list")
    if strange := sorted(chains.keys() - names.keys()):
        raise HiertaxError(f"{path}: class {strange[0]!r} is not in classes.txt; restore the lists")
    return chains


def _lines(chains: Sequence[tuple[str, ...]], is_leaf: Sequence[bool], names: Mapping[str, str]) -> list[Lineage]:
    """Return the lineages of nodes, with leaves at the finest level, and no two taxa of one name on one level."""
    depth = max(len(chain) for chain, leaf in zip(chains, is_leaf, strict=True) if leaf)
    rows = [
        [*chain[:-1], *[""] * (depth - len(chain)), chain[-1]] if leaf else [*chain, *[""] * (depth - len(chain))]
        for chain, leaf in zip(chains, is_leaf, strict=True)
    ]
    parent = {node: chain[i - 1] if i else "" for chain in chains for i, node in enumerate(chain)}
    columns = [_labels(column, parent, names) for column in np.array(rows, dtype=object).T.tolist()]
    return list(zip(*columns, strict=True))


def _labels(column: Sequence[str], parent: Mapping[str, str], names: Mapping[str, str]) -> list[str]:
    """Return the names of the nodes of a level; where two share one, with their parents', or else their ids."""
    nodes = [node for node in dict.fromkeys(column) if node]
    plain = {node: nfc(names[node]) for node in nodes}
    longer = {node: f"{plain[node]} ({nfc(names.get(parent[node], node))})" for node in nodes}
    often, still = Counter(plain.values()), Counter(longer.values())
    label = {
        node: plain[node] if often[plain[node]] == 1
        else longer[node] if still[longer[node]] == 1
        else f"{plain[node]} ({node})"
        for node in nodes
    }  # fmt: skip
    return [label.get(node, "") for node in column]


def _class_names(lines: Sequence[Lineage], levels: Sequence[str]) -> tuple[str, ...]:
    leaves = {line[-1] for line in lines if line[-1]}
    return tuple(
        line[-1] or name_of_taxon(levels[known_depth(line) - 1], line[known_depth(line) - 1], leaves) for line in lines
    )
