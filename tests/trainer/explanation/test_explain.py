"""``hiertrain explain`` and `Model.explain`: as a user asks, with what a user may get wrong."""

import csv
import dataclasses
import json
import os
import shutil
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from processes import Hiertrain
from runs import contents

import trainer
from taxonomy import HiertaxError
from trainer.explanation.explain import explanations
from trainer.explanation.features import feature_plane, neighbour_accuracy, silhouettes
from trainer.explanation.figure import shaded, shortened, text_width, wrapped
from trainer.explanation.measures import areas_of, masks_of, overlaps_of
from trainer.explanation.test_set import explain_test_set


@pytest.fixture(scope="module")
def model(run):
    return trainer.load(run, device="cpu")


@pytest.fixture(scope="module")
def photo(patches):
    return patches.data / "test" / "red" / "0.png"


@pytest.fixture
def explain(hiertrain, run):
    return lambda *args: hiertrain("explain", run, *args, "--device", "cpu")


def rows_of(file):
    return list(csv.DictReader(file.read_text().splitlines()))


def is_picture(file):
    with Image.open(file) as picture:
        return picture.format == "PNG" and picture.width > 600


# Numbers


def test_a_mask_is_where_a_map_is_at_least_at_the_threshold_and_empty_of_a_map_of_zeros():
    maps = np.array([[[0.0, 0.5], [0.49, 1.0]], [[0.0, 0.0], [0.0, 0.0]]], np.float32)
    assert areas_of(masks_of(maps, 0.5)).tolist() == [0.5, 0.0]


def test_overlap_is_intersection_over_union_and_none_of_two_empty_masks():
    half, whole, none = np.zeros((2, 2), bool), np.ones((2, 2), bool), np.zeros((2, 2), bool)
    half[0] = True
    assert overlaps_of(np.stack([half, whole, none])[None]).tolist() == [[0.5, 0.0, 0.0]]
    assert np.isnan(overlaps_of(np.stack([none, none])[None])).all()


def test_what_is_outside_a_mask_is_dark():
    shown = shaded(np.full((1, 2, 3), 200, np.uint8), np.array([[True, False]]))
    assert shown[0, :, 0].tolist() == [200, 56]


def test_long_names_are_broken_and_cut_to_their_room():
    lines = wrapped("Black-throated green warbler of the western mountains and of the plains", 1.4, 2)
    assert len(lines) == 2
    assert all(text_width(line, 8.5) <= 1.4 for line in lines)
    assert lines[1].endswith("…")
    assert shortened("x" * 200, 1.0, 8.5, keep_end=True).startswith("…")


def test_a_figure_takes_names_with_signs_that_mean_something_elsewhere(model, photo, tmp_path):
    found = dataclasses.replace(model.explain(photo), labels=("$x_1$ <b> 鳥", "ß" * 300), image="\n$")
    found.save(tmp_path / "maps.png")
    assert is_picture(tmp_path / "maps.png")


def test_features_that_separate_labels_score_higher_and_unknown_labels_are_left_out():
    rng = np.random.default_rng(0)
    truth = np.stack([np.repeat([0, 1], 20), rng.permutation(np.repeat([0, 1], 20)), np.full(40, -1)], axis=1)
    features = (truth[:, :1] * 10 + rng.normal(size=(40, 3))).astype(np.float32)
    silhouette, neighbours = silhouettes(features, truth), neighbour_accuracy(features, truth)
    assert silhouette[0] > 0.6 > silhouette[1]
    assert neighbours[0] == 1 > neighbours[1]
    assert np.isnan([silhouette[2], neighbours[2]]).all()


# From Python


def test_a_model_explains_an_image_at_every_level(model, photo, tmp_path):
    found = model.explain(photo)
    assert found.levels == ("tone", "colour")
    assert found.maps.shape == (2, 32, 32)
    assert found.pixels.shape == (32, 32, 3)
    assert [f"{label}" for label in found.labels] == [
        model.hierarchy.levels[k].labels[int(z[0].argmax())] for k, z in enumerate(model.logits(photo))
    ]
    assert ("tone", "colour") in found.overlaps
    found.save(tmp_path / "maps.png")
    assert is_picture(tmp_path / "maps.png")
    assert "gamma as-trained" in repr(found)


def test_an_image_is_explained_alike_from_a_path_and_from_memory(model, photo):
    with Image.open(photo) as opened:
        pixels = np.asarray(opened)
    one, other = model.explain(photo), model.explain(pixels, gamma="off")
    assert one.labels == other.labels
    np.testing.assert_allclose(one.maps[1], other.maps[1], atol=1e-5)


def test_several_images_are_not_one(model, patches):
    with pytest.raises(HiertaxError, match="give one image at a time"):
        model.explain(patches.data / "test")


@pytest.mark.parametrize("threshold", [0, 1.5, float("nan")])
def test_a_threshold_out_of_range_is_refused(model, photo, threshold):
    with pytest.raises(HiertaxError, match="share of a map's maximum"):
        model.explain(photo, threshold=threshold)


def test_a_test_set_gives_the_numbers_of_its_images(model, patches):
    numbers = explain_test_set(model)
    by_image = {row.image: row for row in explanations(model, patches.data / "test")}
    assert len(numbers.images) == len(by_image) == 11
    for i, image in enumerate(numbers.images):
        np.testing.assert_allclose(numbers.areas[i], by_image[image].areas, atol=0.01)
    frame = numbers.to_frame()
    assert len(frame) == 11
    assert {"tone", "tone_area", "colour_probability", "tone_colour_overlap"} <= set(frame.columns)
    assert numbers.by_level()["maps"].tolist() == [11, 11]


def test_maps_of_the_truth_are_of_the_true_labels(model):
    numbers = explain_test_set(model, target="truth")
    colours = numbers.to_frame()["colour"]
    assert [colour.lower() for colour in colours] == [image.split("/")[-2] for image in numbers.images]


def test_the_plane_has_a_point_for_each_test_image(model):
    plane = feature_plane(model, limit_per_class=2)
    assert plane.points.shape == (8, 2)
    assert plane.by_level()["labels"].tolist() == [2, 4]
    assert plane.to_frame().columns.to_list() == ["image", "x", "y", "tone", "colour"]


# From the command line


def test_images_become_a_figure_a_table_and_numbers(explain, run, photo, tmp_path):
    said = explain(photo, "--beside", run, "--out", tmp_path / "m.png", "--csv", tmp_path / "m.csv")
    assert said.code == 0, said
    assert "gamma as-trained" in said.out
    assert is_picture(tmp_path / "m.png")
    rows = rows_of(tmp_path / "m.csv")
    assert [row["image"] for row in rows] == [str(photo)]


def test_a_test_set_becomes_a_table_a_plane_and_numbers(explain, tmp_path):
    said = explain("--test-set", "--csv", tmp_path / "t.csv", "--tsne", tmp_path / "p.png", "--json")
    assert said.code == 0, said
    (found,) = json.loads(said.out)
    assert (found["images"], found["left_out"], found["gamma"]) == (11, 0, "as-trained")
    assert (
        [row["level"] for row in found["levels"]] == [row["level"] for row in found["features"]] == ["tone", "colour"]
    )
    assert len(rows_of(tmp_path / "t.csv")) == 11
    assert len(rows_of(tmp_path / "p.csv")) == 11
    assert is_picture(tmp_path / "p.png")


def test_a_person_reads_tables(explain):
    said = explain("--test-set", "--limit-per-class", 1)
    assert "4 test images, maps of the answer, gamma as trained, from 0.5 of the maximum" in said.out
    assert "coarse looks at more" in said.out


def test_a_broken_image_is_one_line_and_nothing_is_written(explain, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    assert f"{broken}: cannot be decoded" in explain(broken, "--out", tmp_path / "m.png").error()
    assert not (tmp_path / "m.png").exists()


def test_a_folder_that_is_not_there_is_one_line(explain, photo, tmp_path):
    line = explain(photo, "--out", tmp_path / "none" / "m.png").error()
    assert f"there is no folder {tmp_path / 'none'}; make it" in line
    assert not (tmp_path / "none").exists()


def test_a_picture_of_another_suffix_is_one_line(explain, photo, tmp_path):
    line = explain(photo, "--out", tmp_path / "m.svg").error()
    assert f"{tmp_path / 'm.svg'}: this picture is a PNG; let its name end in .png" in line
    assert "let its name end in .png" in explain("--test-set", "--tsne", tmp_path / "p.csv").error()
    assert contents(tmp_path) == {}


def test_the_table_and_the_points_of_the_plane_are_not_written_over_each_other(explain, tmp_path):
    line = explain("--test-set", "--csv", tmp_path / "x.csv", "--tsne", tmp_path / "x.png").error()
    assert f"--csv {tmp_path / 'x.csv'}: the points of --tsne go there; choose another name for one of them" in line


def test_where_there_is_no_space_is_one_line_and_nothing_is_left(explain, photo, tmp_path, full_disk):
    with full_disk():
        line = explain(photo, "--out", tmp_path / "m.png", "--csv", tmp_path / "m.csv").error()
    assert f"{tmp_path / 'm.png'}: cannot be written: File too large; free some space" in line
    assert contents(tmp_path) == {}


def test_a_run_with_nothing_saved_is_one_line(hiertrain, run, photo, tmp_path):
    assert "no run with anything saved here" in hiertrain("explain", tmp_path, photo).error()
    assert "no run with anything saved here" in hiertrain("explain", run, photo, "--beside", tmp_path).error()


def test_too_many_images_for_a_figure_are_one_line(explain, photo, tmp_path):
    for i in range(41):
        shutil.copy(photo, tmp_path / f"{i}.png")
    assert "41 rows of images are too many" in explain(tmp_path, "--out", tmp_path / "m.png").error()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "name images, or ask for the whole test set"),
        (("PHOTO", "--test-set"), "name images, or ask for the whole test set"),
        (("PHOTO", "--tsne", "p.png"), "--tsne is for --test-set"),
        (("PHOTO", "--target", "truth"), "--target is for --test-set"),
        (("--test-set", "--out", "m.png"), "--out is of images"),
        (("PHOTO", "--gamma", "on"), "'on' is not one of"),
    ],
)
def test_wrong_usage_is_one_line(explain, photo, args, said):
    assert said in explain(*(photo if arg == "PHOTO" else arg for arg in args)).error(code=2)


def test_a_network_without_a_map_is_one_line(hiertrain, patches, photo, tmp_path):
    out = tmp_path / "token"
    made = hiertrain(
        *("--hierarchy", patches.hierarchy, "--data", patches.data, "--device", "cpu", "--weights", "none"),
        *("--backbone", "timm/vit_tiny_patch16_224", "--pool", "token", "--image-size", 32, "--epochs", 1),
        *("--batch-size", 8, "--freeze-backbone", "--out", out),
    )
    assert made.code == 0, made
    line = hiertrain("explain", out, photo, "--device", "cpu", "--out", tmp_path / "m.png").error()
    assert "a head reads no map, so there is none to show" in line
    assert not (tmp_path / "m.png").exists()


def test_ctrl_c_leaves_nothing_half_written(run, own_patches, tmp_path):
    for i in range(3000):
        os.link(own_patches / "test" / "red" / "0.png", own_patches / "test" / "red" / f"more{i}.png")
    (tmp_path / "out").mkdir()
    asked = ("--test-set", "--data", own_patches, "--device", "cpu", "--csv", tmp_path / "out" / "maps.csv")
    process = Hiertrain(tmp_path / "process", "explain", run, *asked)
    process.wait_for(lambda: "test: " in process.err)  # decoded: maps are being made
    process.send(signal.SIGINT)
    assert process.end(120) == 130, process.err
    assert process.err.splitlines()[-1] == "error: interrupted"
    assert "Traceback" not in process.err
    assert not list((tmp_path / "out").iterdir())


def test_a_run_is_not_changed_by_explaining_it(model, photo):
    before = model.logits(photo)
    model.explain(photo, gamma="off")
    assert all((one == other).all() for one, other in zip(before, model.logits(photo), strict=True))
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    assert torch.is_grad_enabled()
