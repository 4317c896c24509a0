"""A hierarchy of some of a dataset's classes says so."""

from __future__ import annotations

from pathlib import Path

from taxonomy.hierarchy import Hierarchy
from taxonomy.sources import curated

BIRDS = curated.build("cub")


def test_a_part_declares_how_many_classes_of_how_many() -> None:
    part = BIRDS.restrict(BIRDS.classes[:50])
    assert part.source == {**BIRDS.source, "restricted": {"classes": 50, "of": 200}}
    assert "restricted" not in BIRDS.source


def test_a_part_of_a_part_remembers_the_whole(tmp_path: Path) -> None:
    part = BIRDS.restrict(BIRDS.classes[:50])
    part.save(tmp_path / "part.json")
    again = Hierarchy.load(tmp_path / "part.json").restrict(BIRDS.classes[:7])
    assert again.source["restricted"] == {"classes": 7, "of": 200}


def test_nothing_left_out_declares_nothing_new() -> None:
    assert BIRDS.restrict(BIRDS.classes).source == BIRDS.source
    part = BIRDS.restrict(BIRDS.classes[:50])
    assert part.restrict(part.classes).source == part.source
