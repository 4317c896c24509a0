"""``hiertrain predict`` and `Model.predict` answering as people wish."""

import csv
import json

import pytest

import trainer
from taxonomy import Hierarchy, HiertaxError


@pytest.fixture(scope="module")
def calibrated(hiertrain, patches, tmp_path_factory):
    """A calibrated run; tests must not change it."""
    run = tmp_path_factory.mktemp("cautious") / "run"
    options = ("--freeze-backbone", "--val-fraction", 0.3, "--out", run)
    assert hiertrain(*patches.options(*options)).code == 0
    return run


@pytest.fixture
def answers(hiertrain, calibrated, patches):
    """Return a function that predicts all test images with some options, and gives the parsed answers."""

    def predict(*options):
        outcome = hiertrain("predict", calibrated, patches.data / "test", "--json", *options)
        assert outcome.code == 0, outcome
        return json.loads(outcome.out)

    return predict


def labels(answer):
    return [link["label"] for link in answer["chain"]]


def test_cautious_answers_are_the_beginning_of_full_ones(answers):
    for full, cautious in zip(answers(), answers("--confidence", 0.6), strict=True):
        depth = len(cautious["chain"])
        assert labels(full)[:depth] == labels(cautious)
        assert all(link["probability"] >= 0.6 for link in cautious["chain"])
        assert depth == 2 or full["chain"][depth]["probability"] < 0.6


def test_answers_stay_within_a_clade_and_out_of_others(answers, patches):
    assert {labels(answer)[0] for answer in answers("--within", "cold")} == {"cold"}
    assert {labels(answer)[-1] for answer in answers("--within", "cold", "--without", "Blue")} == {"Teal"}
    hierarchy = Hierarchy.load(patches.hierarchy)
    for answer in answers("--within", "Red", "--within", "teal", "--rule", "majority"):
        assert set(labels(answer)) <= {*hierarchy.lineage("red"), *hierarchy.lineage("teal")}


def test_lists_and_counts_say_what_there_is(answers, tmp_path):
    (tmp_path / "list.txt").write_text("Red\nblue\n")
    (tmp_path / "counts.csv").write_text("name,count\nblue,1\nred,1000000000\n")
    assert {labels(answer)[-1] for answer in answers("--classes", tmp_path / "list.txt")} <= {"Red", "Blue"}
    assert {labels(answer)[-1] for answer in answers("--prior", tmp_path / "counts.csv")} <= {"Red", "Blue"}


def test_the_likeliest_of_every_level_are_told_beside_the_answer(answers, hiertrain, calibrated, patches):
    for answer in answers("--top-k", 3):
        tones, colours = answer["top"]
        assert (len(tones), len(colours)) == (2, 3)
        assert [one["level"] for one in colours] == ["colour"] * 3
        assert answer["chain"][1] == colours[0]
    outcome = hiertrain("predict", calibrated, patches.data / "test" / "red" / "0.png", "--top-k", 2)
    assert outcome.out.splitlines()[2].startswith("    tone: ")
    assert outcome.out.splitlines()[3].startswith("    colour: ")


def test_an_operating_point_is_told(hiertrain, calibrated, patches):
    outcome = hiertrain("predict", calibrated, patches.data / "test" / "red", "--target-accuracy", 0.3)
    assert outcome.code == 0, outcome
    assert "for 30 % right: confidence " in outcome.err
    assert "on 8 validation images" in outcome.err


def test_an_image_unlike_all_that_was_learned_is_unknown(answers, hiertrain, calibrated):
    assert not any("unknown" in answer for answer in answers())
    unknown = [answer for answer in answers("--unknown", 1) if "unknown" in answer]
    assert unknown
    assert all(answer["chain"] == [] for answer in unknown)
    outcome = hiertrain("predict", calibrated, unknown[0]["image"], "--unknown", 1)
    assert outcome.out == f"{unknown[0]['image']}\n  unknown\n"


def test_a_table_is_as_cautious_as_what_is_printed(answers, hiertrain, calibrated, patches, tmp_path):
    out, wishes = tmp_path / "answers.csv", ("--confidence", 0.6, "--without", "Blue")
    assert hiertrain("predict", calibrated, patches.data / "test", "--out", out, *wishes).code == 0
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["depth"]) for row in rows] == [len(answer["chain"]) for answer in answers(*wishes)]
    assert [row["tone"] or None for row in rows] == [next(iter(labels(a)), None) for a in answers(*wishes)]


def test_python_answers_as_the_command(answers, calibrated, patches):
    model = trainer.load(calibrated, device="cpu")
    found = model.predict(patches.data / "test", confidence=0.6, within="warm", top_k=1)
    assert found.to_json() == answers("--confidence", 0.6, "--within", "warm", "--top-k", 1)
    assert found.depth.tolist() == [len(answer.chain) for answer in found]
    with pytest.raises(HiertaxError, match=r"confidense: no such setting of answers \(nearest: 'confidence'\)"):
        model.predict(patches.data / "test", confidense=0.6)


def test_an_audience_chooses_how_deep_answers_go(answers, hiertrain, calibrated, patches, tmp_path):
    profile = tmp_path / "profile.json"
    counts = {
        "everyone": {"people": 9, "chosen": [0, 90], "none": 1},
        "group1": {"people": 5, "chosen": [90, 1], "none": 0},
    }
    about = {"format": "hiertax-audiences", "version": 1, "study_id": "s", "hierarchy": "patches", "synthetic": True}
    profile.write_text(json.dumps({**about, "levels": ["tone", "colour"], "audiences": counts}))
    assert all(len(answer["chain"]) == 2 for answer in answers("--audience", profile))
    group = answers("--audience", f"{profile}:group1")
    full = answers()
    for answer, whole in zip(group, full, strict=True):
        tone, colour = (link["probability"] for link in whole["chain"])
        assert len(answer["chain"]) == (2 if colour >= tone * 90 / 91 else 1)
    assert {len(answer["chain"]) for answer in group} != {2}
    model = trainer.load(calibrated, device="cpu")
    assert model.predict(patches.data / "test", audience=f"{profile}:group1").to_json() == group
    told = hiertrain("predict", calibrated, patches.data / "test" / "red" / "0.png", "--audience", "expert")
    assert "answers for expert (group 5 of Chang et al. 2021, Fig. 2b, digitised): what was asked for order" in told.err
    assert "is taken for tone, colour, by depth, interpolated" in told.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--audience", "novice"), "--audience novice: neither amateur nor expert nor a file"),
        (("--audience", "expert", "--confidence", 0.5), "--audience: chooses how deep to answer, as --confidence does"),
        (("--audience", "expert", "--target-accuracy", 0.5), "--audience: chooses how deep to answer, as --target-acc"),
        (("--audience", "expert", "--rule", "majority"), "--audience: chooses how deep to answer, as --rule majority"),
        (("--confidence", 1.2), "--confidence 1.2: give a number from 0 to 1"),
        (("--confidence", "nan"), "--confidence nan: give a number from 0 to 1"),
        (("--target-accuracy", 0), "--target-accuracy 0: give a number above 0 and below 1"),
        (("--target-accuracy", 0.95), "8 validation images cannot vouch for it, 59 or more could"),
        (("--target-accuracy", 0.5, "--confidence", 0.5), "chooses how deep to answer, as --confidence does"),
        (("--unknown", 5), "--unknown 5: give a number from 0 to 1"),
        (("--rule", "darts"), "--rule darts: trades accuracy for information; give --target-accuracy"),
        (("--rule", "majority", "--decode", "independent"), "choose another --decode"),
        (("--within", "Cold"), "--within: no taxon of the run is called 'Cold' (nearest: 'cold')"),
        (("--within", "cold", "--without", "cold"), "leaves none of the 4 classes"),
        (("--top-k", 0), "--top-k 0: give a whole number of 1 or more"),
    ],
)
def test_wishes_that_make_no_sense_are_one_line(hiertrain, calibrated, patches, options, message):
    outcome = hiertrain("predict", calibrated, patches.data / "test" / "red" / "0.png", *options)
    assert message in outcome.error()
    assert outcome.out == ""


def test_a_prior_of_other_birds_is_refused(hiertrain, calibrated, patches, tmp_path):
    (tmp_path / "counts.csv").write_text("red,1\nredd,2\n")
    line = hiertrain("predict", calibrated, patches.data / "test", "--prior", tmp_path / "counts.csv").error()
    where = f"{tmp_path / 'counts.csv'}, line 2"
    assert line == f"error: {where}: no class of the run is called 'redd' (nearest: 'red'); correct it"


def test_a_run_without_calibration_says_so_where_it_matters(hiertrain, run, patches):
    image = patches.data / "test" / "red" / "0.png"
    assert "is not calibrated; do that first" in hiertrain("predict", run, image, "--target-accuracy", 0.9).error()
    outcome = hiertrain("predict", run, image, "--confidence", 0.9)
    assert outcome.code == 0
    assert "may be surer than it should be" in outcome.err


def test_help_has_the_wishes_under_one_heading(hiertrain):
    help_text = hiertrain("predict", "--help").out
    own, heading, wishes = help_text.partition("How to answer")
    assert heading
    for option in ("--confidence", "--rule", "--target-accuracy", "--top-k", "--within", "--without", "--classes"):
        assert f"  {option}" in wishes
    assert "--device" in own
