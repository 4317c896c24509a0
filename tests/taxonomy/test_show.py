"""`hiertax show` and what else is printed of files that hold anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from taxonomy.cli import main
from taxonomy.hierarchy import Hierarchy
from taxonomy.outline import DEEPEST, outline
from taxonomy.sources import curated


def run(*args: str) -> str:
    done = CliRunner().invoke(main, list(args))
    assert done.exit_code == 0, done.stderr
    return done.stdout


def deep(depth: int) -> Hierarchy:
    inner = [f"taxon {k}" for k in range(depth - 1)]
    lineages = [[*inner, f"leaf {i}"] for i in range(3)]
    return Hierarchy.from_lineages(lineages, [f"level {k}" for k in range(depth)], name="deep", root="root")


def test_the_outline_shows_every_taxon_and_class() -> None:
    text = outline(curated.build("cub"))
    lines = text.splitlines()
    assert lines[0] == "cub_wiki: bird, 3 levels, 200 classes"
    place = lines.index("├─ Anseriformes (4)")
    assert lines[place + 1] == "│  └─ Anatidae (4)"
    assert lines[place + 2] == "│     Gadwall, Mallard, Hooded merganser, Red-breasted merganser"
    for level in curated.build("cub").levels:
        assert all(label in text.replace("\n", " ") for label in level.labels if " " not in label)


@pytest.mark.parametrize("depth", [1, 2, DEEPEST, DEEPEST + 1, DEEPEST + 2, 10_000])
def test_a_tree_of_any_depth_is_shown(depth: int, tmp_path: Path) -> None:
    deep(depth).save(tmp_path / "deep.json")
    text = run("show", str(tmp_path / "deep.json"))
    assert text.rstrip().endswith("leaf 0, leaf 1, leaf 2")
    hidden = depth - 1 - DEEPEST
    assert ("are left out below" in text) == (hidden > 0)
    if hidden > 0:
        assert f"  {hidden:,} levels, level {DEEPEST} to level {depth - 2}, are left out below" in text
    assert len(text) < 1_000_000


def test_names_cannot_drive_the_terminal(tmp_path: Path) -> None:
    for file, above in (("a", "\x1b[2JF"), ("b", "\u202eG")):
        tree = Hierarchy.from_lineages(
            [[above, "x\x07"], [above + "2", "y\nz"]], ["family\x9b", "species"],
            name="n\x1b]0;t\x07", root="r\x1b", classes=["1\x1b", "2"],
        )  # fmt: skip
        tree.save(tmp_path / file)
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    for args in (("show", a), ("compare", a, b), ("build", "--from", "node-link", f"{a}.g", "--out", b)):
        if args[0] == "build":
            run("convert", a, "--to", "node-link", "--out", f"{a}.g")
        said = run(*args)
        assert all(line.isprintable() for line in said.splitlines()), said


def test_an_error_cannot_drive_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("family,species\nF\x1b[2J,a\nG,a\n")
    done = CliRunner().invoke(main, ["build", "--csv", str(tmp_path / "t.csv")])
    assert done.exit_code == 1
    assert done.stderr.rstrip("\n").isprintable()


def test_a_table_is_shown_without_building_a_file_first(tmp_path: Path) -> None:
    (tmp_path / "cats.csv").write_text("family,species\nFelidae,Lion\nFelidae,Tiger\nCanidae,Wolf\n")
    assert "├─ Felidae (2)\n│  Lion, Tiger" in run("show", str(tmp_path / "cats.csv"))
