"""The table of known errata: its vocabulary, and that its subjects exist."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from taxonomy.cli import main
from taxonomy.errata import KINDS, all_errata, known, known_of
from taxonomy.sources import curated
from taxonomy.validation import validate


def test_every_row_says_what_is_wrong_what_to_do_and_who_says_so() -> None:
    for erratum in all_errata():
        assert erratum.kind in KINDS
        assert erratum.text.endswith(".")
        assert erratum.cure.endswith(".")
        assert erratum.source


def test_every_subject_is_a_class_or_a_taxon_of_its_dataset() -> None:
    for dataset in ("cub", "aircraft", "cars"):
        hierarchy = curated.build(dataset)
        names = {*hierarchy.classes, *(label for level in hierarchy.levels for label in level.labels)}
        for erratum in all_errata():
            assert erratum.dataset != dataset or set(erratum.subjects) <= names


def test_birds_that_are_no_species_are_listed() -> None:
    subjects = {s[:3] for e in all_errata() if e.kind in ("group", "mixture") for s in e.subjects}
    assert subjects == {"044", "091", "092", "103", "110", "130"}


def test_all_classes_that_the_curated_birds_mark_as_groups_are_errata() -> None:
    groups = {row["class"] for row in curated.read_table("cub.csv") if row["basis"] == "group"}
    assert groups == {s for e in all_errata() if e.kind in ("group", "mixture") for s in e.subjects}


def test_only_what_concerns_the_classes_at_hand_is_said() -> None:
    part = curated.build("cub").restrict(["001.Black_footed_Albatross", "044.Frigatebird"])
    assert {e.kind for e in known_of(part)} == {"group", "count"}
    assert known("sketchbirds", part.classes) == []


def test_show_and_validate_tell_the_errata(tmp_path: Path) -> None:
    curated.build("cub").save(tmp_path / "cub.json")
    text = CliRunner().invoke(main, ["show", str(tmp_path / "cub.json")]).output
    assert "130.Tree_Sparrow: Tree_Sparrow mixes" in text
    content = json.loads(CliRunner().invoke(main, ["show", "--json", str(tmp_path / "cub.json")]).output)
    assert len(content["errata"]) == len([e for e in all_errata() if e.dataset == "cub"])
    messages = [f.message for f in validate(tmp_path / "cub.json").findings if f.rule == "erratum"]
    assert any("Tree_Sparrow" in message for message in messages)
    assert any("110.Geococcyx" in message for message in messages)
