"""``hiertrain evaluate`` with rules of decoding, tables of taxa and files; ``hiertrain compare``."""

import json

import pandas as pd
import pytest

from taxonomy import Hierarchy
from trainer.commands import tables
from trainer.inference.decoding import RULES

TABLES = ("scores", "levels", "taxa", "confusions")


@pytest.fixture(scope="module")
def other(hiertrain, patches, tmp_path_factory):
    """A run like that of the other tests, with another seed."""
    path = tmp_path_factory.mktemp("runs") / "other"
    assert hiertrain(*patches.options("--seed", 1, "--out", path)).code == 0
    return path


@pytest.fixture(scope="module")
def written(hiertrain, run, tmp_path_factory):
    """The tables of all rules, and what was said meanwhile."""
    folder = tmp_path_factory.mktemp("tables")
    outcome = hiertrain(
        "evaluate", run, "--decode", "all", "--csv", folder / "new" / "csv", "--parquet", folder / "parquet", "--json"
    )
    assert outcome.code == 0, outcome
    return folder, outcome


def read(folder, name):
    return pd.read_csv(folder / "new" / "csv" / f"{name}.csv", keep_default_na=False, na_values=[""])


# Evaluate


def test_the_command_line_offers_every_rule():
    assert tuple(RULES) == tables.RULES


def test_all_rules_stand_side_by_side(hiertrain, run):
    outcome = hiertrain("evaluate", run, "--decode", "all")
    assert (outcome.code, outcome.err) == (0, "")
    head = next(line for line in outcome.out.splitlines() if "independent" in line and "beam" in line)
    assert [word for word in head.split() if word in RULES] == list(RULES)
    assert all(f"\n{rule}: " in outcome.out for rule in RULES)  # and are explained


def test_one_rule_can_be_asked_for(hiertrain, run):
    told = json.loads(hiertrain("evaluate", run, "--decode", "chain", "--json").out)
    assert list(told["rules"]) == ["chain"]
    assert told["rules"]["chain"]["tree_inconsistency"] == 0


def test_every_score_says_what_it_is_of(written, run):
    folder, outcome = written
    told = json.loads(outcome.out)
    assert (told["n"], told["left_out"], told["resamples"], told["confidence"]) == (11, 0, 2000, 0.95)
    scores = read(folder, "scores")
    assert list(scores.columns) == [
        "run", "split", "images_left_out", "rule", "name", "level", "nodes", "average", "n", "value", "low", "high",
        "low_by_class", "high_by_class",
    ]  # fmt: skip
    assert set(scores["run"]) == {str(run)}
    assert set(scores["rule"]) == set(RULES)
    assert (scores["n"] <= 11).all()
    assert set(scores.loc[scores["name"] == "accuracy", "n"]) == {11}
    for rule, rows in scores.groupby("rule"):
        assert list(rows["value"].fillna(-1)) == pytest.approx(
            [-1 if each["value"] is None else each["value"] for each in told["rules"][rule]["estimates"]]
        )


def test_consistent_rules_are_right_at_every_level_as_often_as_at_the_finest(written):
    scores = read(written[0], "scores")
    whole = scores[scores["name"] == "full_path_accuracy"].set_index("rule")["value"]
    of_finest = (scores["name"] == "accuracy") & (scores["level"] == "colour") & (scores["average"] == "micro")
    finest = scores[of_finest].set_index("rule")["value"]
    assert (whole <= finest).all()
    assert (whole == finest).drop("independent").all()


def test_tables_of_taxa_and_confusions_add_up(written, patches):
    taxa, confused = read(written[0], "taxa"), read(written[0], "confusions")
    hierarchy = Hierarchy.load(patches.hierarchy)
    path = taxa[(taxa["rule"] == "path") & (taxa["level"] == "colour")]
    assert list(path["taxon"]) == list(hierarchy.levels[-1].labels)
    assert list(path["class"]) == list(hierarchy.classes)
    mistakes = confused[(confused["rule"] == "path") & (confused["level"] == "colour")]
    assert path["right"].sum() + mistakes["images"].sum() == 11


@pytest.mark.parametrize("name", TABLES)
def test_both_kinds_of_files_hold_the_same(written, name):
    folder, outcome = written
    parquet, csv = pd.read_parquet(folder / "parquet" / f"{name}.parquet"), read(folder, name)
    assert list(parquet.columns) == list(csv.columns)
    assert len(parquet) == len(csv)
    assert f"{name}.csv: written" in outcome.err
    numbers = parquet.select_dtypes("number").columns
    pd.testing.assert_frame_equal(parquet[numbers], csv[numbers], check_dtype=False)


def test_taxa_and_confusions_of_a_level_are_shown(hiertrain, run):
    outcome = hiertrain("evaluate", run, "--taxa", "tone", "--confusions", "colour")
    assert outcome.code == 0, outcome
    assert "most often taken for" in outcome.out
    assert "both are" in outcome.out


def test_a_level_that_is_not_there_is_told_before_anything_is_scored(hiertrain, run):
    line = hiertrain("evaluate", run, "--taxa", "genus").error()
    assert line == f"error: {run}: has no level 'genus'; its levels are 'tone', 'colour'"


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_a_folder_for_tables_that_is_a_file_is_told_before_anything_is_scored(hiertrain, run, other, tmp_path, command):
    (tmp_path / "file").write_text("mine")
    runs = (run,) if command == "evaluate" else (run, other)
    line = hiertrain(command, *runs, "--csv", tmp_path / "file" / "below").error()
    assert line == f"error: {tmp_path / 'file'}: is a file; name a folder for the tables"


# Compare


def test_runs_are_compared_on_the_same_images(hiertrain, run, other, tmp_path):
    outcome = hiertrain("compare", run, other, "--json", "--csv", tmp_path / "tables")
    assert outcome.code == 0, outcome
    told = json.loads(outcome.out)
    assert (told["rule"], told["n"], told["left_out"]) == ("path", 11, 0)
    assert {called: about["seed"] for called, about in told["runs"].items()} == {"tiny": 0, "other": 1}
    one, two = (json.loads(hiertrain("evaluate", each, "--json").out)["rules"]["path"] for each in (run, other))
    rows = {(row["name"], row["level"], row["nodes"], row["average"]): row for row in told["differences"]}
    for k, level in enumerate(("tone", "colour")):
        row = rows["accuracy", level, "", "micro"]
        assert (row["first"], row["second"]) == (one["levels"][k]["accuracy"], two["levels"][k]["accuracy"])
        assert row["difference"] == pytest.approx(row["second"] - row["first"])
        assert row["low"] <= row["difference"] <= row["high"]
    table = pd.read_csv(tmp_path / "tables" / "comparison.csv")
    assert len(table) == len(told["differences"])
    assert set(table["second_run"]) == {"other"}


def test_a_comparison_is_shown_as_a_table(hiertrain, run, other):
    outcome = hiertrain("compare", run, other, "--decode", "independent")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.count("11 test images") == 2
    assert "difference" in outcome.out
    assert "* the interval leaves out zero" in outcome.out


def test_a_run_alone_is_no_comparison(hiertrain, run):
    assert "Name two different runs or more." in hiertrain("compare", run, run).error(code=2)


def test_runs_on_different_hierarchies_are_not_compared(hiertrain, run, patches, hierarchy_file, tmp_path):
    flat = hierarchy_file(tmp_path / "flat.json", [("Red",), ("Orange",), ("Blue",), ("Teal",)], levels=("colour",))
    assert hiertrain(*patches.options("--hierarchy", flat, "--out", tmp_path / "flat", epochs=1)).code == 0
    line = hiertrain("compare", run, tmp_path / "flat").error()
    assert line == "error: tiny and flat are trained on different hierarchies; compare runs on one"


def test_runs_on_different_images_are_not_compared(hiertrain, run, patches, own_patches, tmp_path):
    (own_patches / "test" / "blue" / "0.png").rename(own_patches / "test" / "blue" / "7.png")
    options = patches.options("--data", own_patches, "--out", tmp_path / "moved", epochs=1)
    assert hiertrain(*options).code == 0
    line = hiertrain("compare", run, tmp_path / "moved").error()
    assert "tiny and moved are scored on different images: 2 images are scored of one alone" in line
