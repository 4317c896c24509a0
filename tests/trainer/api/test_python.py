"""The trainer from Python: what a trained run answers, for whatever images are given, and how it is scored."""

import dataclasses
import doctest
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import weakref

import numpy as np
import pytest
import torch
from PIL import Image
from trees import WORKED

import trainer
from taxonomy import Hierarchy, HiertaxError
from taxonomy.clustering.features import read_features
from trainer.api import model as api
from trainer.evaluation.scores import score_logits
from trainer.inference.answers import Answers


@pytest.fixture(scope="module")
def model(run):
    return trainer.load(run, device="cpu")


@pytest.fixture(scope="module")
def images(patches):
    return sorted(patches.data.glob("test/*/*.png"))


def pixels(path):
    return np.asarray(Image.open(path))


def same(one, other):
    return (one.labels == other.labels).all() and (one.probability == other.probability).all()


# The package


def test_importing_the_trainer_loads_nothing_heavy():
    heavy = {"torch", "torchvision", "click", "numpy", "pandas", "rich"}
    code = f"import sys, trainer; print(sorted({heavy} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


@pytest.mark.parametrize("name", trainer.__all__)
def test_every_name_that_the_package_offers_is_there(name):
    assert getattr(trainer, name).__doc__
    assert name in dir(trainer)


def test_other_names_are_no_part_of_it():
    with pytest.raises(AttributeError, match="'explain_nothing'"):
        trainer.explain_nothing  # noqa: B018 - asking is what is tested


def test_the_examples_of_the_docstrings_run(run, patches, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "patches").symlink_to(run)
    (tmp_path / "data").symlink_to(patches.data)
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(api)
    assert found.attempted > 15
    assert found.failed == 0


# A model


def test_a_model_says_what_it_is_and_does_not_change(model, patches):
    assert model.hierarchy == Hierarchy.load(patches.hierarchy)
    assert (model.config.method, model.config.image_size, model.epoch) == ("ours", 32, 2)
    assert "ours, shufflenet_v2_x0_5, epoch 2; 2 tone, 4 colour" in repr(model)
    assert "\n" not in repr(model)
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.config = None


@pytest.mark.parametrize("place", ["nowhere", "."])
def test_a_folder_without_a_run_is_refused(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HiertaxError, match="no run"):
        trainer.load(place)


def test_a_device_that_is_not_there_is_refused(run):
    with pytest.raises(HiertaxError, match="abacus"):
        trainer.load(run, device="abacus")


def test_nothing_is_printed_and_signals_are_left_alone(run, images, capfd):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    model = trainer.load(run, device="cpu")
    model.predict(images)
    model.evaluate()
    model.features(images)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert capfd.readouterr() == ("", "")


# Images of every kind


def test_answers_are_those_of_the_command(model, images, hiertrain, run):
    told = json.loads(hiertrain("predict", run, *images, "--device", "cpu", "--json").out)
    assert model.predict(images).to_json() == told


@pytest.mark.parametrize(
    "given",
    [
        lambda paths: [str(path) for path in paths],
        lambda paths: (path for path in paths),
        lambda paths: [Image.open(path) for path in paths],
        lambda paths: [pixels(path) for path in paths],
        lambda paths: np.stack([pixels(path) for path in paths]),
        lambda paths: iter([np.stack([pixels(path) for path in paths[:3]]), *paths[3:]]),
        lambda paths: sorted({path.parent for path in paths}),
        lambda paths: os.path.commonpath(paths),
    ],
    ids=["texts", "generator", "Pillow", "arrays", "one array", "mixed", "folders", "folder"],
)
def test_images_are_answered_alike_however_they_are_given(model, images, given):
    assert same(model.predict(given(images)), model.predict(images))


def test_images_are_called_by_their_path_or_their_number(model, images):
    given = [
        pixels(images[0]),
        str(images[1]),
        Image.open(images[2]),
        Image.new("L", (8, 8)),
        np.zeros((9, 9), np.uint8),
    ]
    assert model.predict(given).images == ("image 0", str(images[1]), str(images[2]), "image 3", "image 4")


@pytest.mark.parametrize("kind", [Image.fromarray, lambda array: array], ids=["Pillow", "array"])
def test_one_image_needs_no_list(model, images, kind):
    assert same(model.predict(kind(pixels(images[0]))), model.predict(images[0]))


def test_a_grey_array_is_a_grey_image(model):
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert same(model.predict(grey), model.predict(np.stack([grey] * 3, axis=-1)))


def test_pictures_that_are_given_stay_as_they_are(model):
    picture = Image.new("P", (8, 8))
    picture.info["transparency"] = 0
    model.predict(picture)
    assert (picture.mode, picture.size, picture.info) == ("P", (8, 8), {"transparency": 0})


def test_no_images_give_no_answers(model):
    answers = model.predict([])
    assert len(answers) == len(answers.to_frame()) == 0
    assert answers.to_json() == []
    assert [level.shape for level in model.logits([])] == [(0, 2), (0, 4)]
    assert model.features(iter([])).shape == (0, 1024)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (np.zeros((8, 8, 3), np.float32), r"an array float32 \[8, 8, 3\]"),
        (np.zeros((8, 8, 4), np.uint8), r"an array uint8 \[8, 8, 4\]"),
        (np.zeros((0, 8, 3), np.uint8), r"an array uint8 \[0, 8, 3\]"),
        ([torch.zeros(3, 8, 8)], "found Tensor"),
        ([("a.png", 3)], "found tuple"),
        (7, "found int"),
    ],
)
def test_what_is_no_image_is_refused_with_what_would_be(model, given, found):
    with pytest.raises(HiertaxError, match=rf"^image 0: expected a path, .* {found}; convert it$"):
        model.predict(given)


def test_links_to_folders_are_followed(model, images, tmp_path):
    shutil.copytree(images[0].parent, tmp_path / "elsewhere" / "blue")
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / "linked").symlink_to(tmp_path / "elsewhere")
    assert len(model.predict(tmp_path / "birds")) == len(list(images[0].parent.iterdir()))


def test_a_link_to_a_folder_above_is_refused(model, images, tmp_path):
    shutil.copy(images[0], tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path)
    with pytest.raises(HiertaxError, match="loop"):
        model.predict(tmp_path)


def test_images_are_taken_as_they_are_needed(model):
    """However many there are, only a few batches of them are in memory."""
    count, alive, most = 20 * (os.cpu_count() or 1) + 100, set(), 0

    def many():
        nonlocal most
        for i in range(count):
            image = np.full((64, 64, 3), i % 256, dtype=np.uint8)
            alive.add(i)
            weakref.finalize(image, alive.discard, i)
            most = max(most, len(alive))
            yield image

    assert len(model.predict(many())) == count
    gc.collect()
    assert not alive
    assert most < count / 2


# Bad images


@pytest.fixture
def with_bad(images, tmp_path):
    """A good image, one that is none, one that is missing, and a good one."""
    (tmp_path / "bad.png").write_bytes(b"no picture")
    return [images[0], tmp_path / "bad.png", tmp_path / "missing.png", images[1]]


@pytest.mark.parametrize("ask", ["predict", "logits", "features"])
def test_a_bad_image_is_named(model, with_bad, ask):
    with pytest.raises(HiertaxError, match=r"bad\.png: cannot be decoded"):
        getattr(model, ask)(with_bad)


def test_bad_images_are_left_out_and_told_where_asked(model, with_bad, images):
    answers = model.predict(with_bad, skip_bad=True)
    assert answers.images == (str(images[0]), str(images[1]))
    assert [line.partition(": ")[0] for line in answers.left_out] == [str(path) for path in with_bad[1:3]]
    assert "2 images, 2 left out" in repr(answers)
    assert model.predict(images, skip_bad=True).left_out == ()


def test_a_picture_cut_short_is_a_bad_image(model, images, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (90, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    (tmp_path / "half.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:3000])
    with Image.open(tmp_path / "half.jpg") as half, pytest.raises(HiertaxError, match=r"half\.jpg: cannot be decoded"):
        model.predict(half)
    with Image.open(tmp_path / "half.jpg") as half:
        assert model.predict([half, images[0]], skip_bad=True).images == (str(images[0]),)


def test_bad_images_alone_are_refused(model, with_bad):
    with pytest.raises(HiertaxError, match=r"not one of 2 images could be decoded: .*bad\.png"):
        model.predict(with_bad[1:3], skip_bad=True)


# Answers


def test_a_table_of_answers_has_a_row_per_image(model, images):
    answers = model.predict(images)
    frame = answers.to_frame()
    assert list(frame) == ["image", "tone", "tone_probability", "colour", "colour_probability"]
    assert list(frame["image"]) == [str(image) for image in images]
    for i, answer in enumerate(answers):
        for link in answer.chain:
            assert frame[link.level][i] == link.label
            assert frame[f"{link.level}_probability"][i] == link.probability
    assert str(answers) == "\n".join(map(str, answers))
    assert [answer.image for answer in answers[1:3]] == list(answers.images[1:3])


def test_a_level_called_like_a_column_keeps_its_own():
    hierarchy = Hierarchy.from_lineages([("a", "b")], ["image", "image_probability"], name="odd", root="r")
    answers = Answers(hierarchy, ("x.jpg",), np.zeros((1, 2), np.int64), np.ones((1, 2)))
    frame = answers.to_frame()
    assert list(frame) == ["image", "image", "image_probability", "image_probability", "image_probability_probability"]
    assert frame.iloc[0].to_list() == ["x.jpg", "a", 1, "b", 1]


# Logits and features


def test_logits_are_what_the_answers_are_made_of(model, images):
    logits = model.logits(images)
    assert [(level.shape, level.dtype) for level in logits] == [((11, 2), np.float32), ((11, 4), np.float32)]
    scores = model.evaluate()
    assert scores.heads.levels[1].accuracy * 11 == (logits[1].argmax(1) == _colours(model, images)).sum()


def _colours(model, images):
    return np.array([model.hierarchy.class_index[image.parent.name] for image in images])


@pytest.mark.parametrize("split", ["train", "test", "all"])
def test_features_are_those_that_extract_writes(model, patches, hiertrain, run, tmp_path, split):
    out = tmp_path / "f.npz"
    assert hiertrain("extract", "--run", run, "--split", split, "--device", "cpu", "--out", out).code == 0
    made = read_features(out)
    assert made.provenance["split"] == split
    mine = model.features(patches.data if split == "all" else patches.data / split)
    assert mine.dtype == np.float32
    assert made.features.shape == mine.shape
    gaps = np.abs(made.features[:, None] - mine[None]).max(axis=2)
    assert (gaps.min(axis=1) < 1e-4).all()
    assert (gaps.min(axis=0) < 1e-4).all()


def test_images_of_a_split_that_is_not_there_are_refused(hiertrain, run, patches, tmp_path):
    outcome = hiertrain("extract", "--run", run, "--split", "val", "--out", tmp_path / "f.npz")
    assert outcome.error() == (f"error: {patches.data}: has no validation images; choose one of train, test or all")
    assert not (tmp_path / "f.npz").exists()


# Training


def test_a_second_training_in_the_process_is_refused_while_one_goes_on(patches, tmp_path):
    settings = {"backbone": "resnet10", "weights": "none", "image_size": 32, "epochs": 1, "device": "cpu"}
    refused = []

    class Nested(trainer.Reporter):
        def renewed(self, *, silent=False):
            return Nested(silent=self.silent or silent)

        def say(self, *_):
            with pytest.raises(HiertaxError) as caught:
                trainer.train(patches.hierarchy, patches.data, out=tmp_path / "second", **settings)
            refused.append(str(caught.value))

    trainer.train(patches.hierarchy, patches.data, out=tmp_path / "first", reporter=Nested(), **settings)
    assert {line.partition(",")[0] for line in refused} == {"another training is going on in this process"}
    assert not (tmp_path / "second").exists()
    trainer.resume(tmp_path / "first", epochs=2)


# Scores


def test_scores_are_those_of_the_command(run, model, hiertrain, patches):
    told = json.loads(hiertrain("evaluate", run, "--device", "cpu", "--json").out)
    assert model.evaluate().to_json() == told
    assert trainer.evaluate(run, patches.data, device="cpu").to_json() == told


def test_a_table_of_scores_has_a_row_per_rule_and_level(model):
    scores = model.evaluate()
    frame = scores.to_frame()
    assert list(frame) == [
        "rule", "level", "labels", "known", "accuracy", "macro_accuracy", "macro_f1", "majority", "calibration_error",
        "chance_error", "chance_low", "chance_high",
    ]  # fmt: skip
    assert list(zip(frame["rule"], frame["level"], strict=True)) == [
        ("independent", "tone"), ("independent", "colour"), ("path", "tone"), ("path", "colour"),
    ]  # fmt: skip
    assert list(frame["accuracy"]) == [level.accuracy for each in (scores.heads, scores.path) for level in each.levels]


def test_labels_that_are_unknown_at_a_level_do_not_count_there():
    generator = torch.Generator().manual_seed(0)
    logits = [torch.randn(40, size, generator=generator) for size in WORKED.sizes]
    truth = WORKED.paths[np.arange(40) % WORKED.sizes[-1]].copy()
    truth[::4, 2] = -1
    scores = score_logits(WORKED, truth, logits)
    alone = score_logits(WORKED, truth[truth[:, 2] >= 0], [level[truth[:, 2] >= 0] for level in logits])
    whole = score_logits(WORKED, WORKED.paths[np.arange(40) % WORKED.sizes[-1]], logits)
    for rule in ("independent", "path"):
        assert [level.known for level in scores.of(rule).levels] == [40, 40, 30]
        assert scores.of(rule).levels[2] == alone.of(rule).levels[2]
        assert scores.of(rule).levels[:2] == whole.of(rule).levels[:2]
    assert scores.n == 40


def test_a_bad_test_image_can_be_left_out(model, own_patches):
    (own_patches / "test" / "blue" / "0.png").write_bytes(b"no picture")
    with pytest.raises(HiertaxError, match=r"0\.png: cannot be decoded"):
        model.evaluate(own_patches)
    scores = model.evaluate(own_patches, skip_bad_images=True)
    assert (scores.n, scores.left_out) == (10, 1)


def test_logits_that_are_no_numbers_give_no_answer(run, images):
    model = trainer.load(run, device="cpu")
    with torch.no_grad():
        next(model.network.parameters()).fill_(torch.nan)
    with pytest.raises(HiertaxError, match="logits are not finite"):
        model.predict(images)
    with pytest.raises(HiertaxError, match="logits are not finite"):
        model.evaluate()
