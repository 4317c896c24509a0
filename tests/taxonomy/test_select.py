"""`hiertax select`: fewer levels, fewer classes, one clade; from a hierarchy file or straight from another format."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from taxonomy.cli import main
from taxonomy.document import restriction
from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy
from taxonomy.selection import select
from taxonomy.sources import curated
from taxonomy.validation import validate

CUB = curated.build("cub")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["select", *args], prog_name="hiertax")


def test_levels_are_kept_by_name_and_by_place() -> None:
    by_name = select(CUB, levels=["order", "species"])
    assert by_name.sizes == (13, 200)
    assert by_name.lineage(CUB.classes[7]) == CUB.lineage(CUB.classes[7])[::2]
    assert by_name == select(CUB, depths=[1, -1]) == select(CUB, depths=[-3, 3])


def test_without_the_finest_level_the_last_taxa_are_the_classes() -> None:
    families = select(CUB, levels=["order", "family"])
    assert families.sizes == (13, 37)
    assert families.classes == CUB.levels[1].labels


def test_a_clade_and_a_list_of_classes_are_kept_and_declared() -> None:
    gulls = select(CUB, within="Laridae")
    assert {gulls.lineage(name)[1] for name in gulls.classes} == {"Laridae"}
    part = select(CUB, within="order=Charadriiformes", classes=[gulls.classes[0], gulls.levels[-1].labels[1]])
    assert part.classes == gulls.classes[:2]
    declared = restriction(part.source)
    assert declared is not None
    assert (declared.classes, declared.of) == (2, 200)


def test_a_name_on_two_levels_needs_its_level() -> None:
    hierarchy = Hierarchy.from_lineages([("A", "B", "c"), ("B", "D", "e")], ("x", "y", "z"), name="n", root="r")
    with pytest.raises(HierarchyError, match="'B' is a x and y; name the level too"):
        select(hierarchy, within="B")
    assert select(hierarchy, within="y=B").classes == ("c",)


@pytest.mark.parametrize(
    ("choice", "fault"),
    [
        ({"levels": ["genus"]}, "no level 'genus'; there are order, family, species"),
        ({"levels": ["species", "order"]}, "name each level once, coarsest first"),
        ({"depths": [1, 1]}, "name each level once"),
        ({"depths": [4]}, "no depth 4 in a hierarchy of 3 levels"),
        ({"depths": [0]}, "no depth 0"),
        ({"classes": ["Dodo", "Roc"]}, "no class 'Dodo' and 1 more"),
        ({"within": "Dodo"}, "no taxon is called 'Dodo'"),
    ],
)
def test_what_is_not_there_is_refused(choice: dict[str, list[str]], fault: str) -> None:
    with pytest.raises(HierarchyError, match=fault):
        select(CUB, **choice)  # type: ignore[arg-type]


def test_a_class_of_a_list_that_is_not_there_is_refused_by_its_line() -> None:
    CUB.save("cub.json")
    Path("mine.txt").write_text(f"{CUB.classes[0]}\n\nDodo\nRoc\n")
    done = run("cub.json", "--classes", "mine.txt", "--out", "part.json")
    assert "mine.txt, line 3: no class 'Dodo' and 1 more in hierarchy 'cub_wiki'" in done.stderr
    assert not Path("part.json").exists()


def test_the_command_writes_a_file_that_says_how_to_rebuild_it() -> None:
    CUB.save("cub.json")
    Path("mine.txt").write_text("\n".join([*CUB.classes[:20], CUB.levels[-1].labels[30]]) + "\n")
    args = ("cub.json", "--levels", "order,species", "--classes", "mine.txt", "--name", "mine")
    done = run(*args, "--out", "part.json")
    assert done.stdout.startswith("part.json: bird > ")
    assert done.stderr == "left out: 179 of 200 classes, 1 of 3 levels\n"
    written = Path("part.json").read_bytes()
    part = Hierarchy.load("part.json")
    assert (part.name, part.sizes[-1], part.source["kind"]) == ("mine", 21, "selected")
    assert part.source["from"] == CUB.source
    assert run(*part.source["command"].split()[2:], "--out", "part.json").exit_code == 0
    assert Path("part.json").read_bytes() == written
    assert validate("part.json").sound()


def test_a_deep_graph_without_ranks_becomes_three_levels_in_one_command() -> None:
    edges = [f"n{i} n{(i - 1) // 2}" for i in range(1, 2**9)]  # nine levels, of which the last are the leaves
    edges += ["n400 n3", "extra n7"]  # a second parent, and a leaf of another depth
    Path("tree.txt").write_text("# child parent\n" + "\n".join(edges) + "\n")
    args = ("tree.txt", "--from", "edges", "--depths", "2,5,-1", "--levels", "coarse,middle,fine")
    assert "has two parents" in run(*args, "--out", "t.json").stderr
    short = run(*args, "--parents", "deepest", "--out", "t.json")
    assert "lineages have a gap" in short.stderr
    assert not Path("t.json").exists()
    done = run(*args, "--parents", "deepest", "--ragged", "fill", "--out", "t.json")
    assert done.exit_code == 0, done.stderr
    assert "taxa with several parents: 1; kept is the farthest from the root" in done.stderr
    hierarchy = Hierarchy.load("t.json")
    assert [level.name for level in hierarchy.levels] == ["coarse", "middle", "fine"]
    assert hierarchy.sizes == (4, 33, 257)
    assert hierarchy.lineage("extra") == ("n3", "extra (middle)", "extra")


@pytest.mark.parametrize(
    ("args", "fault"),
    [
        ("cub.json --out x.json", "give --levels, --depths, --classes or --within"),
        ("cub.json --levels order", "Missing option '--out'"),
        ("cub.json --depths 1,x --out x.json", "give whole numbers"),
        ("cub.json --depths 1,2 --levels a --out x.json", "--levels names 1 of the 2 levels"),
        ("cub.json --levels order --parents first --out x.json", "--parents goes with"),
    ],
)
def test_wrong_usage_is_one_line(args: str, fault: str) -> None:
    CUB.save("cub.json")
    done = run(*args.split())
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert fault in done.stderr
    assert not Path("x.json").exists()


def test_an_unknown_level_is_told_in_flags() -> None:
    CUB.save("cub.json")
    done = run("cub.json", "--levels", "genus", "--out", "x.json")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: --levels: no level 'genus'")
