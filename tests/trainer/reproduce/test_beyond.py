"""Variants of Ours as an experiment: chosen on validation images, and only the chosen put to the test images."""

import json
from dataclasses import replace
from statistics import mean

import pytest
from conftest import write_hierarchy
from runs import log

from trainer.config import Config
from trainer.models.variants import NAMES, variant_of
from trainer.reproduce.beyond import OURS, TRIED, change_from_ours, choose, rows_of
from trainer.reproduce.cells import Cell
from trainer.reproduce.records import Level, Record, read_record
from trainer.reproduce.work import train_frozen
from trainer.runs.lock import LOCK
from trainer.runtime.progress import Reporter

EPOCHS = 2
ROWS = ["ours", "gated_2", "gated_4", "soft_labels_5", "soft_labels_10", "soft_labels_30"]
LEVELS = ("tone", "colour")


@pytest.fixture(scope="module")
def asked(patches, tmp_path_factory):
    out = tmp_path_factory.mktemp("beyond") / "out"
    words = patches.options("--method", "gated", "--method", "soft_labels", epochs=EPOCHS)
    return out, ("reproduce", "beyond", *words, "--seeds", 2, "--out", out)


@pytest.fixture(scope="module")
def done(hiertrain, asked):
    """Two variants, and what is told of them."""
    out, words = asked
    outcome = hiertrain(*words)
    assert outcome.code == 0, outcome
    return json.loads((out / "results.json").read_text()), outcome


def test_every_setting_is_trained_with_the_same_seeds_on_the_same_images(done):
    result, _ = done
    assert [(run["row"], run["seed"]) for run in result["runs"]] == [(row, seed) for seed in (0, 1) for row in ROWS]
    assert {(run["train"], run["test"]) for run in result["runs"]} == {(20, 11)}  # of 24, one of each class held out
    assert {run["method"] for run in result["runs"]} == {"ours", "ours_variant"}
    assert result["settings"]["val_fraction"] == 0.2
    assert any(said.startswith("val_fraction 0.2 (paper: 0.0)") for said in result["deviations"])


def test_of_each_variant_the_best_on_validation_images_is_put_to_the_test_and_no_other(done):
    result, outcome = done
    scores = {
        row: mean(mean(run["validation"].values()) for run in result["runs"] if run["row"] == row) for row in ROWS
    }
    best = [max(ROWS[1:3], key=scores.__getitem__), max(ROWS[3:], key=scores.__getitem__)]
    told = {(row["images"], row["row"], row["measure"]): row for row in result["numbers"]}
    assert [row for images, row, measure in told if (images, measure) == ("test", "average")] == [OURS, *best]
    assert [row for images, row, measure in told if (images, measure) == ("validation", "average")] == ROWS
    assert {row for (_, row, _), each in told.items() if each["chosen"]} == set(best)
    assert told["validation", best[0], "average"]["ours"] == pytest.approx(100 * scores[best[0]], abs=1e-4)
    of_ours, of_best = (told["test", row, "contradictions"] for row in (OURS, best[0]))
    assert of_best["less_ours"] == pytest.approx(of_best["ours"] - of_ours["ours"], abs=1e-3)
    assert of_ours["less_ours"] == 0
    verdicts = [(each["better"], each["worse"], each["measure"], each["seeds"]) for each in result["verdicts"]]
    assert verdicts == [(row, OURS, measure, 2) for row in best for measure in ("average", "colour", "tone")]
    assert "Are the chosen better than Ours?" in outcome.out
    assert "in the paper" not in outcome.out


def test_a_row_is_a_frozen_run_of_hiertrain_with_its_option(done, hiertrain, patches, tmp_path):
    options = ("--method", "ours_variant", "--method-options", "variant=gated,strength=2", "--val-fraction", 0.2)
    words = patches.options(*options, "--freeze-backbone", "--seed", 1, "--out", tmp_path / "run", epochs=EPOCHS)
    assert hiertrain(*words).code == 0
    (run,) = (run for run in done[0]["runs"] if (run["row"], run["seed"]) == ("gated_2", 1))
    last = log(tmp_path / "run")[-1]
    assert [run["validation"][level] for level in LEVELS] == pytest.approx([last[f"val_{x}"] for x in LEVELS], abs=1e-6)
    assert [level["accuracy"] for level in run["levels"]] == pytest.approx(
        [last[f"test_{x}"] for x in LEVELS], abs=1e-6
    )


def test_what_is_done_is_taken(done, asked, hiertrain):
    outcome = hiertrain(*asked[1])
    assert "12 runs, 12 of them done" in outcome.err
    assert json.loads((asked[0] / "results.json").read_text())["numbers"] == done[0]["numbers"]


def test_of_whole_networks_the_log_says_how_good_they_are_on_validation_images(hiertrain, patches, tmp_path):
    words = patches.options("--method", "no_stop", "--no-freeze-backbone", "--seeds", 1, epochs=1)
    assert hiertrain("reproduce", "beyond", *words, "--out", tmp_path / "out").code == 0
    for run in json.loads((tmp_path / "out" / "results.json").read_text())["runs"]:
        (row,) = log(tmp_path / "out" / "runs" / run["name"])
        assert run["validation"] == {level: row[f"val_{level}"] for level in LEVELS}


def test_a_hierarchy_of_one_level_is_refused(hiertrain, patches, tmp_path):
    flat = write_hierarchy(
        tmp_path / "flat.json", [[name] for name in ("red", "orange", "blue", "teal")], levels=("colour",)
    )
    words = ("--hierarchy", flat, "--data", patches.data, "--weights", "none", "--out", tmp_path / "out")
    assert "has one level only" in hiertrain("reproduce", "beyond", *words).error()


def test_a_run_that_another_process_is_at_is_left_to_it_and_the_others_are_done(patches, tmp_path):
    from filelock import FileLock

    config = Config(
        hierarchy=str(patches.hierarchy), data=str(patches.data), freeze_backbone=True, device="cpu", epochs=1,
        backbone="shufflenet_v2_x0_5", weights="none", image_size=32, batch_size=8,
    )  # fmt: skip
    cells = [Cell("patches", "ours", replace(config, seed=seed)) for seed in (0, 1)]
    (tmp_path / cells[0].name).mkdir()
    with FileLock(tmp_path / cells[0].name / LOCK):
        train_frozen(cells, patches.hierarchy, tmp_path, Reporter(silent=True))
    assert [read_record(tmp_path / cell.name) is not None for cell in cells] == [False, True]


# Choosing


def record(row, seed, *validation, severity=1.0):
    """A run with these accuracies on validation images, and nothing else of note."""
    scores = {"independent": {"average_accuracy": 0.5, "mistake_severity": severity}}
    return Record(
        name=f"{row}-{seed}", source="t", row=row, seed=seed, method="ours", epochs=1, train=1, test=1, left_out=0,
        levels=tuple(Level(name, 2, 0.5, 0.5, 0.5, 0.5) for name in LEVELS), scores=scores, parameters=1, minutes=None,
        images_per_second=None, memory_mib=None, computed_on="", commit=None, seal=None, config=Config().to_json(),
        validation=dict(zip(LEVELS, validation, strict=True)),
    )  # fmt: skip


def test_the_average_over_levels_and_seeds_decides_and_the_first_of_equals():
    rows = {
        "ours": [record("ours", 0, 0.9, 0.9)],
        "gated_2": [record("gated_2", 0, 0.8, 0.4), record("gated_2", 1, 0.6, 0.6)],  # 0.6
        "gated_4": [record("gated_4", 0, 0.5, 0.5), record("gated_4", 1, 0.9, 0.6)],  # 0.625
        "unequal_0.5": [record("unequal_0.5", 0, 0.5, 0.5)],
        "unequal_1": [record("unequal_1", 0, 0.4, 0.6)],
    }
    assert choose(rows) == ["gated_4", "unequal_0.5"]


def test_differences_are_paired_over_the_seeds_of_both():
    rows = {
        "ours": [record("ours", seed, 0.5, 0.5, severity=2.0 + seed) for seed in (0, 1, 2)],
        "gated_2": [record("gated_2", seed, 0.5, 0.5, severity=each) for seed, each in ((0, 1.5), (1, 2.7), (3, 9.0))],
    }
    found = change_from_ours(rows, "gated_2", lambda each: each.whole("mistake_severity", "independent"))
    assert found.told(1)[0] == "-0.40"  # -.5 and -.3
    assert found.interval.low == pytest.approx(-0.4 - 12.7062 * 0.1, abs=1e-3)
    assert change_from_ours({**rows, "gated_2": []}, "gated_2", lambda each: each.value("average")).told() == ("", "")


def test_what_is_tried_are_strengths_of_variants_that_take_one():
    assert {name for name in NAMES if variant_of(name).STRENGTH is not None} == TRIED.keys()
    names = [row.name for row in rows_of(())]
    assert len(names) == len(set(names)) == 1 + 2 + sum(map(len, TRIED.values()))
    assert replace(Config(), **rows_of(("reversed",))[1].settings()).method_options == "variant=reversed"
