"""Files of the form in which public trees are published give the counts that are published."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from taxonomy.cli import main
from taxonomy.hierarchy import Hierarchy


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def build(*args: str) -> tuple[Hierarchy, str]:
    done = CliRunner().invoke(main, ["build", *args, "--out", "built.json"], prog_name="hiertax")
    assert done.exit_code == 0, done.stderr
    return Hierarchy.load("built.json"), done.stderr


def refused(*args: str) -> str:
    done = CliRunner().invoke(main, ["build", *args, "--out", "built.json"], prog_name="hiertax")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    return done.stderr


def nabirds() -> tuple[list[str], list[str]]:
    """Return lines of ``hierarchy.txt`` (child parent) and ``classes.txt`` (number name) of NABirds' form.

    22 groups, families, species and 555 visual categories below them, numbered in no order; a bird without another
    plumage is a leaf one level higher, and a family or species may be called as what is above it.
    """
    draw = random.Random(0)  # noqa: S311 - the same tree each time
    numbers = list(range(1, 2000))
    draw.shuffle(numbers)
    edges, names = [], {0: "Birds"}
    groups = [numbers.pop() for _ in range(22)]
    leaves = 0
    for g, group in enumerate(groups):
        names[group] = f"Group {g}"
        edges.append((group, 0))
        for f in range(2):
            family = numbers.pop()
            names[family] = f"Group {g}" if f == 0 else f"Family {g}"
            edges.append((family, group))
            for s in range(555 // 44 + (2 * g + f < 555 % 44)):
                species = numbers.pop()
                names[species] = f"Bird {g}.{f}.{s}"
                edges.append((species, family))
                leaves += 1
                if s % 3 == 0:  # with a plumage of its own, which is then the leaf
                    plumage = numbers.pop()
                    names[plumage] = f"Bird {g}.{f}.{s} (Adult)"
                    edges.append((plumage, species))
    assert leaves == 555
    draw.shuffle(edges)
    return [f"{child} {parent}" for child, parent in edges], [
        f"{number} {name}" for number, name in sorted(names.items())
    ]


def test_nabirds_has_555_leaves_under_22_groups() -> None:
    hierarchy_lines, class_lines = nabirds()
    Path("hierarchy.txt").write_text("\n".join(hierarchy_lines) + "\n")
    Path("classes.txt").write_text("\n".join(class_lines) + "\n")
    args = ("--from", "edges", "hierarchy.txt", "--labels", "classes.txt")
    assert "lineages have a gap" in refused(*args)
    hierarchy, said = build(*args, "--ragged", "fill", "--levels", "group,family,species,plumage")
    assert hierarchy.root == "Birds"
    assert (hierarchy.sizes[0], hierarchy.sizes[-1]) == (22, 555)
    assert "read as an edge list, child then parent" in said
    assert set(hierarchy.classes) <= {line.partition(" ")[2] for line in class_lines}


def tree_of(groups: int, leaves: int) -> list[tuple[int, int]]:
    """Return parent and child of a tree of two levels, its leaves numbered first, as cvjena's files have them."""
    root = leaves + groups
    return [(root, leaves + g) for g in range(groups)] + [(leaves + i % groups, i) for i in range(leaves)]


@pytest.mark.parametrize(("groups", "leaves"), [(20, 100), (38, 200)])
@pytest.mark.parametrize("turned", [False, True])
def test_edge_lists_of_numbers_have_their_leaves(groups: int, leaves: int, turned: bool) -> None:
    pairs = [(b, a) if turned else (a, b) for a, b in tree_of(groups, leaves)]
    Path("tree.parent-child.txt").write_text("\n".join(f"{a} {b}" for a, b in pairs))
    hierarchy, said = build("--from", "edges", "tree.parent-child.txt")
    assert hierarchy.sizes == (groups, leaves)
    assert f"read as an edge list, {'child then parent' if turned else 'parent then child'}" in said


def wordnet(leaves: int = 1000, depth: int = 18) -> list[tuple[str, str]]:
    """Return parent and child of a graph like WordNet's above ImageNet: numbered words, some of two parents."""
    draw = random.Random(1)  # noqa: S311 - the same graph each time
    inner, edges = [["n00001740"]], []
    for level in range(1, depth):
        words = [f"n{level:04d}{i:04d}" for i in range(min(2**level, 60))]
        for word in words:
            edges.append((draw.choice(inner[-1]), word))
            if draw.random() < 0.05 and level > 2:
                edges.append((draw.choice(inner[-2]), word))
        inner.append(words)
    for i in range(leaves):
        level = draw.randrange(4, depth)
        edges.append((draw.choice(inner[level]), f"n9{i:07d}"))
        if i % 20 == 0:
            edges.append((draw.choice(inner[level - 1]), f"n9{i:07d}"))
    return _pruned(edges)


def _pruned(edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Drop the words that lead to no leaf."""
    while True:
        parents = {parent for parent, _ in edges}
        kept = [(parent, child) for parent, child in edges if child in parents or child.startswith("n9")]
        if len(kept) == len(edges):
            return edges
        edges = kept


@pytest.mark.parametrize("policy", ["first", "shortest", "deepest"])
def test_a_graph_like_wordnet_has_a_thousand_leaves_whichever_parent_is_kept(policy: str) -> None:
    Path("wordnet.is_a.txt").write_text("\n".join(" ".join(edge) for edge in wordnet()) + "\n")
    assert "has two parents" in refused("--from", "edges", "wordnet.is_a.txt", "--edges", "parent-child")
    hierarchy, said = build(
        "--from", "edges", "wordnet.is_a.txt", "--edges", "parent-child", "--parents", policy, "--ragged", "fill"
    )
    assert hierarchy.sizes[-1] == 1000
    assert all(name.startswith("n9") for name in hierarchy.classes)
    assert "taxa with several parents: " in said


def test_the_direction_of_a_graph_is_found_by_its_one_root() -> None:
    Path("wordnet.is_a.txt").write_text("\n".join(" ".join(edge) for edge in wordnet()) + "\n")
    _, said = build("--from", "edges", "wordnet.is_a.txt", "--parents", "shortest", "--ragged", "fill")
    assert "read as an edge list, parent then child" in said


def test_a_graph_like_wordnet_becomes_a_file_of_three_levels_in_one_command() -> None:
    Path("wordnet.is_a.txt").write_text("\n".join(" ".join(edge) for edge in wordnet()) + "\n")
    deep, _ = build("--from", "edges", "wordnet.is_a.txt", "--parents", "deepest", "--ragged", "fill")
    assert deep.depth == 18
    args = ["--depths", "2,5,-1", "--levels", "kingdom,group,thing", "--parents", "deepest", "--ragged", "fill"]
    done = CliRunner().invoke(main, ["select", "wordnet.is_a.txt", *args, "--out", "imagenet.json"])
    assert done.exit_code == 0, done.stderr
    assert "taxa with several parents: " in done.stderr
    chosen = Hierarchy.load("imagenet.json")
    assert [level.name for level in chosen.levels] == ["kingdom", "group", "thing"]
    assert chosen.sizes[-1] == 1000
    assert set(chosen.classes) == set(deep.classes)
