"""The radial picture: every name drawn, none over another, the same bytes each time."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from taxonomy import plots
from taxonomy.cli import main
from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import Hierarchy
from taxonomy.palette import MUTED, colours
from taxonomy.sources import curated


def tree(*widths: int, name: str = "t") -> Hierarchy:
    """Return a tree in which each taxon of level k has ``widths[k]`` children."""
    lines = list(itertools.product(*[range(width) for width in widths]))
    labels = [[f"{'abcdef'[k]}{'.'.join(map(str, line[: k + 1]))}" for k in range(len(widths))] for line in lines]
    return Hierarchy.from_lineages(labels, [f"level {k}" for k in range(len(widths))], name=name, root="root")


def overlap(a: plots.Label, b: plots.Label) -> bool:
    """Tell whether two rotated boxes share a point, by the axes that could separate them."""
    one, two = plots._corners(a), plots._corners(b)
    for turn in np.radians([a.rotation, a.rotation + 90, b.rotation, b.rotation + 90]):
        axis = np.array([np.cos(turn), np.sin(turn)])
        p, q = one @ axis, two @ axis
        if p.max() <= q.min() + 1e-9 or q.max() <= p.min() + 1e-9:
            return False
    return True


TREES = {
    "cub": curated.build("cub"),
    "aircraft": curated.build("aircraft"),
    "cars": curated.build("cars"),
    "few": curated.build("cub").restrict(curated.build("cub").classes[:36]),
    "one": tree(1),
    "chain": tree(1, 1, 1),
    "flat": tree(30),
    "singles": tree(40, 1, 1),
    "deep": tree(2, 2, 2, 2, 2),
    "lopsided": Hierarchy.from_lineages(
        [("a" * 50, f"family {i} of many", f"species {i}") for i in range(40)] + [("b" * 50, "lonely " * 6, "z" * 300)],
        ("order", "family", "species"), name="x" * 100, root="a root with a long name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TREES)
def test_no_name_covers_another_and_all_are_on_the_sheet(name: str) -> None:
    picture = plots.arrange(TREES[name])
    left, right, bottom, top = picture.sheet
    for label in picture.labels:
        x, y = plots._corners(label).T
        assert left <= x.min() < x.max() <= right
        assert bottom <= y.min() < y.max() <= top
    near = [
        (a, b) for a, b in itertools.combinations(picture.labels, 2)
        if np.hypot(a.x - b.x, a.y - b.y) < (a.width + b.width) / 2 + a.height + b.height
    ]  # fmt: skip
    assert [(a.text, b.text) for a, b in near if overlap(a, b)] == []


@pytest.mark.parametrize("name", TREES)
def test_every_taxon_is_named_once_and_no_name_is_upside_down(name: str) -> None:
    hierarchy = TREES[name]
    picture = plots.arrange(hierarchy)
    drawn = sorted(label.text for label in picture.labels[:-2])
    expected = [hierarchy.root, *(label for level in hierarchy.levels for label in level.labels)]
    assert drawn == sorted(plots._drawn(label) for label in expected)
    assert all(-90 <= label.rotation <= 90 for label in picture.labels)
    assert min(label.size for label in picture.labels) >= 7


def test_taxa_have_the_colour_of_their_top_group() -> None:
    hierarchy = TREES["aircraft"]
    ring = colours(30)
    picture = plots.arrange(hierarchy)
    by_level = np.split(np.array(picture.dot_colours), np.cumsum(hierarchy.sizes)[:-1])
    for k, tints in enumerate(by_level):
        assert tints.tolist() == [ring[i] for i in hierarchy.ancestors(k, 0)]


@pytest.mark.parametrize("count", range(1, 40))
def test_neighbours_on_the_ring_differ_in_colour(count: int) -> None:
    ring = colours(count)
    assert len(ring) == count
    assert count == 1 or all(a != b for a, b in zip(ring, ring[1:] + ring[:1], strict=True))


def test_colours_stand_out_from_white() -> None:
    def luminance(colour: str) -> float:
        channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    assert all(1.05 / (luminance(colour) + 0.05) > 2.7 for colour in MUTED)


def test_the_same_hierarchy_gives_the_same_bytes(tmp_path: Path) -> None:
    for kind in ("svg", "png"):
        for name in ("a", "b"):
            plots.save(TREES["chain"], tmp_path / f"{name}.{kind}")
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    assert "<dc:date>" not in (tmp_path / "a.svg").read_text()
    with Image.open(tmp_path / "a.png") as image:
        assert min(image.size) > 400


def test_names_are_drawn_as_they_are_not_as_formulas(tmp_path: Path) -> None:
    hierarchy = Hierarchy.from_lineages(
        [("$x$", "<b>&\n$\\frac{"), ("$x$", "-->\x01")], ("a", "b"), name="$n$", root="$"
    )
    plots.save(hierarchy, tmp_path / "t.svg")
    assert ElementTree.parse(tmp_path / "t.svg").getroot().tag.endswith("svg")  # noqa: S314


def test_characters_that_the_font_lacks_are_told(tmp_path: Path) -> None:
    hierarchy = Hierarchy.from_lineages([("鳥類",), ("Ōtori",)], ("a",), name="n", root="r")
    hierarchy.save(tmp_path / "h.json")
    done = CliRunner().invoke(main, ["plot", str(tmp_path / "h.json"), "--out", str(tmp_path / "t.svg")])
    assert done.exit_code == 0
    assert re.search("no sign for 類 鳥", done.stderr)
    assert (tmp_path / "t.svg").exists()


def test_pictures_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HiertaxError, match=r"a picture is \.svg or \.png"):
        plots.save(TREES["one"], tmp_path / "t.pdf")
    with pytest.raises(HiertaxError, match="has 2001 classes, more than the 2000"):
        plots.save(tree(2001), tmp_path / "t.svg")
    deep = Hierarchy.from_lineages([[str(k) for k in range(31)]], [f"level{k}" for k in range(31)], name="d", root="r")
    with pytest.raises(HiertaxError, match="has 31 levels, more than the 30"):
        plots.save(deep, tmp_path / "t.svg")
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_command_says_what_to_install(tmp_path: Path) -> None:
    TREES["one"].save(tmp_path / "h.json")
    code = (
        "import sys; sys.modules['matplotlib'] = None; from taxonomy.cli import main;"
        f"main(['plot', {str(tmp_path / 'h.json')!r}, '--out', {str(tmp_path / 't.svg')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: this needs matplotlib, which is not installed: pip install 'hiertax[plot]'\n"
