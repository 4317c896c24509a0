"""A small study on drawn-up images: its hierarchy, plan and responses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from taxonomy.datasets import find_dataset
from taxonomy.hierarchy import Hierarchy
from taxonomy.study.plan import Plan
from taxonomy.study.planning import Design, make_plan
from taxonomy.study.responses import write_responses
from taxonomy.study.simulate import simulate

LINEAGES = [
    ("Anseriformes", "Anatidae", "Mallard"),
    ("Anseriformes", "Anatidae", "Gadwall"),
    ("Piciformes", "Picidae", "Flicker"),
    ("Piciformes", "Capitonidae", "Barbet"),
]


@dataclass(frozen=True)
class Study:
    """Where the files of a study are, and what is in them."""

    images: Path
    hierarchy_file: Path
    plan_file: Path
    responses: Path
    hierarchy: Hierarchy
    plan: Plan


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """40 files that stand for images, 12 people with 20 each, and made-up responses; a test may spoil them."""
    images = tmp_path / "images"
    for _, _, name in LINEAGES:
        (images / name).mkdir(parents=True)
        for i in range(10):
            (images / name / f"{i}.jpg").write_bytes(f"{name} {i}".encode())
    hierarchy = Hierarchy.from_lineages(LINEAGES, ("order", "family", "species"), name="few", root="bird")
    hierarchy.save(tmp_path / "few.json")
    plan = make_plan(find_dataset(images), hierarchy, Design(participants=12, per_person=20))
    plan.save(tmp_path / "plan.json")
    write_responses(tmp_path / "responses.jsonl", simulate(plan), plan)
    return Study(images, tmp_path / "few.json", tmp_path / "plan.json", tmp_path / "responses.jsonl", hierarchy, plan)
