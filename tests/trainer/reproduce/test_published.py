"""The paper's numbers as printed, with what is known to be wrong of them."""

import json
from pathlib import Path

import pytest

from taxonomy import Hierarchy
from trainer.reproduce.curves import DATASETS, published_curve
from trainer.reproduce.published import ERRATA, SIZES, printed

HIERARCHIES = Path(__file__).parents[3] / "hierarchies"
METHODS = (
    "vanilla_single", "vanilla_multi", "ours_single", "ours", "ours_mc", "ours_nts", "ours_pmg",
)  # fmt: skip


@pytest.mark.parametrize("dataset", ["cub", "aircraft", "cars"])
@pytest.mark.parametrize("method", METHODS)
def test_every_average_of_table_2_is_that_of_its_levels_once_corrected(dataset, method):
    found = {level: number for (row, level), number in printed("table2", dataset).items() if row == method}
    average = found.pop("average")
    assert len(found) == len(SIZES[dataset])
    assert average.value == pytest.approx(sum(each.percent for each in found.values()) / len(found), abs=0.0051)
    assert all(each.sd is not None for each in found.values())


def test_two_averages_are_printed_wrong():
    wrong = {
        (dataset, row): (number.percent, number.value)
        for dataset in SIZES
        for (row, _), number in printed("table2", dataset).items()
        if number.corrected is not None
    }
    assert wrong == {("cub", "ours_single"): (87.50, 87.20), ("aircraft", "ours_mc"): (90.59, 90.60)}
    assert str(printed("table2", "cub")["ours_single", "average"]) == "87.50 [87.20]"
    assert str(printed("table2", "cub")["ours", "species"]) == "77.95 ± 0.04"
    assert any("87.50" in each and "87.20" in each for each in ERRATA["table2"])


def test_levels_are_called_as_in_the_hierarchies_that_are_shipped():
    for dataset, name in (("cub", "cub_paper"), ("aircraft", "aircraft"), ("cars", "cars")):
        hierarchy = Hierarchy.load(HIERARCHIES / f"{name}.json")
        levels = [level.name for level in hierarchy.levels]
        assert tuple(map(len, hierarchy.levels)) == SIZES[dataset]
        assert {level for _, level in printed("table2", dataset)} == {*levels, "average"}
        assert {level for _, level in printed("table3", dataset)} == {levels[-1]}
        assert list(published_curve(dataset)) == levels


def test_of_other_datasets_the_paper_says_nothing():
    assert printed("table2", "sketchbirds") == printed("fig4", "cars") == printed("table2", None) == {}


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_authors_curves_are_of_100_epochs(dataset):
    assert [len(curve) for curve in published_curve(dataset).values()] == [100] * len(SIZES[dataset])


def test_the_curve_of_cub_ends_as_their_log_does():
    assert [curve[-1] for curve in published_curve("cub").values()] == [96.75, 90.76, 78.66]


# What people say, and a run's curve


def test_table_1_and_fig_2_are_shown_as_published(hiertrain, tmp_path):
    told = json.loads(hiertrain("reproduce", "table1", "--json").out)
    assert [(row["option"], row["paper, %"]) for row in told["tables"]["table1"]] == [
        ("order", "29.2"), ("family", "30.4"), ("species", "36.4"), ("none", "4.0"),
    ]  # fmt: skip
    outcome = hiertrain("reproduce", "fig2", "--out", tmp_path)
    assert outcome.code == 0, outcome
    assert "read off its picture" in outcome.out
    assert {path.name for path in tmp_path.iterdir()} == {
        "results.json", "fig2.md", "fig2.tex", "fig2a.csv", "fig2b.csv", "fig2c.csv",
    }  # fmt: skip
    assert "name the --hierarchy" in hiertrain("reproduce", "table1", "--responses", tmp_path / "fig2.md").error(2)


def test_a_run_is_drawn_over_the_authors_own(hiertrain, run, tmp_path):
    outcome = hiertrain("reproduce", "curves", run, "--published", "cars", "--out", tmp_path / "curves", "--json")
    assert outcome.code == 0, outcome
    told = json.loads(outcome.out)
    assert {name: (len(each["ours"]), len(each["authors"])) for name, each in told["levels"].items()} == {
        "tone": (2, 100), "colour": (2, 100),
    }  # fmt: skip
    said = (
        "This run is of 4 classes of patches, the authors' of 196 of cars: differences are not of the networks alone."
    )
    assert said in told["notes"]
    assert said in (tmp_path / "curves" / "curves.md").read_text(encoding="utf-8")
    assert (tmp_path / "curves" / "curves.png").read_bytes().startswith(b"\x89PNG")
    line = hiertrain("reproduce", "curves", run, "--published", "cub", "--out", tmp_path / "none").error()
    assert "has 2 levels, and the published curves of cub 3" in line
    assert not (tmp_path / "none").exists()
