"""Using a run: its scores on the whole test set, its answers, and the command that draws."""

import json
import shutil

import pytest
from PIL import Image

from taxonomy import Hierarchy
from trainer.inference.answers import percent
from trainer.sketchbirds import birds


@pytest.fixture(scope="module")
def scores(hiertrain, run):
    outcome = hiertrain("evaluate", run, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    return json.loads(outcome.out)


@pytest.fixture
def chain_of(hiertrain, run):
    """Return a function that predicts, and gives the parsed answers."""

    def predict(*images):
        outcome = hiertrain("predict", run, *images, "--json")
        assert (outcome.code, outcome.err) == (0, "")
        return json.loads(outcome.out)

    return predict


def images_of(patches):
    return sorted(patches.data.glob("test/*/*.png"))


# Evaluate


def test_every_test_image_is_scored(scores, patches):
    assert scores["n"] == len(images_of(patches)) == 11  # batches of 8 leave 3 over
    assert scores["left_out"] == 0


def test_scores_carry_baselines_and_what_they_are_about(scores, run):
    assert scores["run"] == str(run)
    assert (scores["method"], scores["backbone"], scores["seed"], scores["epoch"]) == (
        "ours", "shufflenet_v2_x0_5", 0, 2,
    )  # fmt: skip
    assert [(level["level"], level["labels"]) for level in scores["rules"]["independent"]["levels"]] == [
        ("tone", 2),
        ("colour", 4),
    ]
    assert [level["majority"] for level in scores["rules"]["independent"]["levels"]] == [6 / 11, 3 / 11]


def test_evaluation_finds_what_the_log_says(scores, run):
    last = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert [round(level["accuracy"], 6) for level in scores["rules"]["independent"]["levels"]] == [
        last["test_tone"],
        last["test_colour"],
    ]


def test_answers_along_one_path_never_contradict_themselves(scores):
    assert scores["rules"]["path"]["tree_inconsistency"] == 0
    assert all(0 <= level["calibration_error"] <= 1 for level in scores["rules"]["path"]["levels"])


def test_the_table_says_what_json_says(hiertrain, run, scores):
    outcome = hiertrain("evaluate", run)
    assert (outcome.code, outcome.err) == (0, "")
    table = rows_of(outcome.out)
    both = [scores["rules"][rule] for rule in ("independent", "path")]
    for k, level in enumerate(both[0]["levels"]):
        labels, *cells, majority, images = table[level["level"]]
        assert (labels, images) == (str(level["labels"]), "11")
        assert [cell.split()[0] for cell in cells] == [f"{100 * each['levels'][k]['accuracy']:.2f}" for each in both]
        assert majority == f"{100 * level['majority']:.2f}"
    for called, name in (("average accuracy", "average_accuracy"), ("all levels right (FPA)", "full_path_accuracy")):
        assert [cell.split()[0] for cell in table[called][1:3]] == [f"{100 * each[name]:.2f}" for each in both]
    severities = [each["mistake_severity"] for each in both]
    assert [cell.split()[0] for cell in table["mistake severity"][1:3]] == [f"{value:.3f}" for value in severities]
    low, high = (
        next(100 * each[end] for each in both[1]["estimates"] if each["name"] == "average_accuracy")
        for end in ("low", "high")
    )
    assert table["average accuracy"][2].split(maxsplit=1)[1] == f"[{low:.1f}, {high:.1f}]"
    assert "11 test images" in outcome.out
    assert "2,000 resamples" in outcome.out


def rows_of(text):
    """The rows of all tables in a text, by their first cell."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]
    return {row[0]: row[1:] for row in rows}


def test_the_batch_size_of_the_run_does_not_change_its_scores(hiertrain, patches, tmp_path):
    """Trained without moving, runs differ in their batch alone."""
    still = ("--learning-rate", 0, "--backbone-learning-rate", 0, "--freeze-backbone")
    found = []
    for size in (11, 4):
        run = tmp_path / str(size)
        hiertrain(*patches.options(*still, "--batch-size", size, "--limit-per-class", 1, "--out", run, epochs=1))
        found.append(json.loads(hiertrain("evaluate", run, "--json").out))
    assert found[0]["n"] == found[1]["n"] == 11
    # Four training images make one batch in both runs, so that batch statistics agree too.
    one, other = ([level["accuracy"] for level in scores["rules"]["independent"]["levels"]] for scores in found)
    assert one == other


def test_data_that_has_moved_is_found_by_its_new_place(hiertrain, patches, run, scores, tmp_path):
    moved = shutil.copytree(patches.data, tmp_path / "moved")
    assert json.loads(hiertrain("evaluate", run, "--data", moved, "--json").out) == scores
    shutil.rmtree(moved)
    assert str(moved) in hiertrain("evaluate", run, "--data", moved).error()


def test_data_with_other_classes_is_refused(hiertrain, run, part_of_patches, own_patches):
    line = hiertrain("evaluate", run, "--data", part_of_patches).error()
    assert f"{part_of_patches}: lacks 2 of the 4 classes that {run} was trained on: 'blue', 'teal'" in line
    for split in ("train", "test"):
        shutil.copytree(own_patches / split / "red", own_patches / split / "rad")
    assert "'rad' (nearest: 'red')" in hiertrain("evaluate", run, "--data", own_patches).error()


def test_a_bad_test_image_is_named_after_training_too(hiertrain, run, own_patches):
    bad = own_patches / "test" / "blue" / "0.png"
    bad.write_bytes(b"no picture")
    assert f"{bad}: cannot be decoded" in hiertrain("evaluate", run, "--data", own_patches).error()


# Predict


def test_a_chain_is_a_path_of_the_tree_and_never_surer_further_down(chain_of, patches):
    hierarchy = Hierarchy.load(patches.hierarchy)
    lineages = {hierarchy.lineage(name) for name in hierarchy.classes}
    for answer in chain_of(*images_of(patches)):
        assert tuple(step["label"] for step in answer["chain"]) in lineages
        probability = [step["probability"] for step in answer["chain"]]
        assert all(0 < p <= 1 for p in probability)
        assert probability == sorted(probability, reverse=True)


def test_answers_keep_the_order_of_the_images(chain_of, patches):
    images = images_of(patches)
    there, back = chain_of(*images), chain_of(*reversed(images))
    assert [answer["image"] for answer in there] == [str(image) for image in images]
    assert [answer["image"] for answer in back] == [str(image) for image in reversed(images)]
    by_image = {answer["image"]: answer["chain"] for answer in back}
    for answer in there:
        for one, other in zip(answer["chain"], by_image[answer["image"]], strict=True):
            assert one["label"] == other["label"]
            assert one["probability"] == pytest.approx(other["probability"], abs=1e-4)


def test_a_folder_stands_for_all_images_below_it(chain_of, patches):
    images = images_of(patches)
    assert [answer["image"] for answer in chain_of(patches.data / "test")] == [str(image) for image in images]
    single = images[-1]
    mixed = [answer["image"] for answer in chain_of(single, patches.data / "test" / "red")]
    assert mixed == [str(single), *(str(image) for image in images if image.parent.name == "red")]


def test_the_json_of_an_answer(chain_of, patches):
    (answer,) = chain_of(images_of(patches)[0])
    assert list(answer) == ["image", "root", "chain"]
    assert answer["root"] == "patch"
    assert [list(step) for step in answer["chain"]] == [["level", "label", "probability"]] * 2
    assert [step["level"] for step in answer["chain"]] == ["tone", "colour"]


def test_a_person_reads_the_same_chain(hiertrain, run, chain_of, patches):
    image = images_of(patches)[0]
    (answer,) = chain_of(image)
    steps = [f"{step['label']} {percent(step['probability'])}" for step in answer["chain"]]
    assert hiertrain("predict", run, image).out == f"{image}\n  patch > {' > '.join(steps)}\n"


def test_only_what_is_certain_reads_as_100_percent_and_only_what_is_impossible_as_0():
    shown = {0.0: "0 %", 1e-9: "<1 %", 0.005: "1 %", 0.125: "13 %", 0.7949: "79 %", 0.795: "80 %", 0.9949: "99 %",
             0.995: ">99 %", 1 - 1e-9: ">99 %", 1.0: "100 %"}  # fmt: skip
    assert {share: percent(share) for share in shown} == shown


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16", "1", "LA"])
def test_any_kind_of_picture_is_answered(chain_of, tmp_path, mode):
    suffix = "tif" if mode in ("CMYK", "I;16") else "png"
    Image.new(mode, (50, 20)).save(tmp_path / f"picture.{suffix}")
    assert len(chain_of(tmp_path / f"picture.{suffix}")) == 1


def test_pictures_of_any_shape_are_answered(chain_of, tmp_path):
    for i, size in enumerate([(1, 1), (1, 300), (2000, 3)]):
        Image.new("RGB", size).save(tmp_path / f"{i}.png")
    assert len(chain_of(tmp_path)) == 3


def test_names_with_spaces_and_brackets_are_kept(chain_of, patches, tmp_path):
    image = tmp_path / "[bold]my bird é.png"
    shutil.copy(images_of(patches)[0], image)
    assert chain_of(image)[0]["image"] == str(image)


def test_a_folder_without_images_is_refused(hiertrain, run, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    assert f"{tmp_path}: no images in this folder" in hiertrain("predict", run, tmp_path).error()


def test_files_that_are_no_images_are_named_and_the_others_answered(hiertrain, run, patches, tmp_path):
    good = images_of(patches)[:2]
    for name in ("notes.txt", "more.txt"):
        (tmp_path / name).write_text("no picture")
    outcome = hiertrain("predict", run, good[0], tmp_path / "notes.txt", tmp_path / "more.txt", good[1])
    line = outcome.error()
    assert f"2 of 4 images could not be read, the last of them: {tmp_path}/more.txt: cannot be decoded" in line
    assert f"{tmp_path}/notes.txt: cannot be decoded" in outcome.err
    assert "--skip-bad-images" not in outcome.err  # predict has no such option
    assert outcome.out.splitlines()[::2] == [str(image) for image in good]
    alone = hiertrain("predict", run, tmp_path / "notes.txt")
    assert "notes.txt: cannot be decoded" in alone.error()
    assert alone.out == ""


# Draw


def test_draw_makes_the_embedded_dataset_which_trains_as_it_is(hiertrain, patches, tmp_path):
    out = tmp_path / "data" / "sketchbirds"
    sizes = ("--per-class-train", 2, "--per-class-test", 1, "--size", 32)
    outcome = hiertrain("draw", "--out", out, *sizes, "--seed", 4)
    assert (outcome.code, outcome.out) == (0, f"{out}: 108 images of 36 species\n")
    assert len(list(out.glob("train/*/*.jpg"))) == 2 * len(birds())
    assert "is already there and not empty" in hiertrain("draw", "--out", out, *sizes).error()
    hierarchy = patches.hierarchy.parent / "sketchbirds.json"
    from taxonomy.sources import curated

    curated.build("sketchbirds").save(hierarchy)
    options = patches.options("--hierarchy", hierarchy, "--data", tmp_path / "data", "--freeze-backbone", epochs=1)
    outcome = hiertrain(*options, "--out", tmp_path / "run")
    assert outcome.code == 0, outcome
    assert "drawing" not in outcome.err
    assert json.loads(hiertrain("evaluate", tmp_path / "run", "--json").out)["n"] == 36


@pytest.mark.parametrize("option", [("--size", 8), ("--seed", -1), ("--per-class-test", 0)], ids=lambda o: o[0])
def test_draw_refuses_numbers_out_of_range(hiertrain, tmp_path, option):
    assert option[0] in hiertrain("draw", "--out", tmp_path / "birds", *option).error(2)
    assert list(tmp_path.iterdir()) == []
