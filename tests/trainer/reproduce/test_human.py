"""Tables of the human study: as published, and responses of one's own beside."""

import json

import pytest

from taxonomy import Hierarchy
from taxonomy.datasets import find_dataset
from taxonomy.study.planning import Design, make_plan
from taxonomy.study.responses import write_responses
from taxonomy.study.simulate import simulate

LINEAGES = [("Anseriformes", "Anatidae", "Mallard"), ("Piciformes", "Picidae", "Flicker")]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Files that stand for images, and made-up responses to them."""
    root = tmp_path_factory.mktemp("study")
    for _, _, name in LINEAGES:
        (root / "images" / name).mkdir(parents=True)
        for i in range(10):
            (root / "images" / name / f"{i}.jpg").write_bytes(f"{name} {i}".encode())
    hierarchy = Hierarchy.from_lineages(LINEAGES, ("order", "family", "species"), name="few", root="bird")
    hierarchy.save(root / "few.json")
    plan = make_plan(find_dataset(root / "images"), hierarchy, Design(participants=10, per_person=10))
    plan.save(root / "plan.json")
    write_responses(root / "responses.jsonl", simulate(plan), plan)
    return root


@pytest.mark.parametrize(("name", "parts"), [("table1", ["table1"]), ("fig2", ["fig2a", "fig2b", "fig2c"])])
def test_responses_stand_beside_what_is_published(study, hiertrain, tmp_path, name, parts):
    words = ("--responses", study / "responses.jsonl", "--hierarchy", study / "few.json", "--plan", study / "plan.json")
    outcome = hiertrain("reproduce", name, *words, "--out", tmp_path / "out")
    assert outcome.code == 0, outcome
    assert "SYNTHETIC" in outcome.out
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert result["synthetic"]
    assert list(result["tables"]) == parts
    both = [row for rows in result["tables"].values() for row in rows if row["paper, %"] and row["ours, %"]]
    assert both
    for row in both:
        assert float(row["difference"]) == pytest.approx(float(row["ours, %"]) - float(row["paper, %"]), abs=0.11)
    pictures = {path.stem for path in (tmp_path / "out").glob("*.png")}
    assert pictures == {"fig2a", "fig2b", "fig2c"}
    assert {path.stem for path in (tmp_path / "out").glob("*.csv")} == set(parts)


@pytest.mark.parametrize("name", ["table1", "fig2"])
def test_without_responses_they_are_as_published(hiertrain, name):
    told = json.loads(hiertrain("reproduce", name, "--json").out)
    assert told["synthetic"] is None
    assert all(row["ours, %"] == "" for rows in told["tables"].values() for row in rows)


def test_options_that_belong_together_are_asked_for_together(study, hiertrain):
    line = hiertrain("reproduce", "table1", "--responses", study / "responses.jsonl").error(2)
    assert "name the --hierarchy that the --responses are of" in line
    line = hiertrain("reproduce", "fig2", "--hierarchy", study / "few.json").error(2)
    assert "--hierarchy and --plan are for --responses" in line
