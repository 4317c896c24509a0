"""Whatever a user can get wrong is one line: what, where, and the cure; and nothing is left half-written."""

import json
import os
import re
import shutil

import pytest
import torch
from safetensors.torch import save_file

from trainer.models.backbones import build_backbone


@pytest.fixture
def refused(hiertrain, patches, tmp_path):
    """Return a function that trains with more options, and returns the one line in which that is refused."""

    def train(*more, code=1):
        out = tmp_path / "out" / "run"
        line = hiertrain(*patches.options("--out", out, *more)).error(code)
        assert not out.parent.exists()
        return line

    return train


# Usage


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "name a hierarchy file by --hierarchy, nested folders by --data, a run by --resume, or a command"),
        (["--hierarchy", "no/such.json"], "'no/such.json' does not exist"),
        (["--nonsense"], "--nonsense"),
        (["--resume", "no/such/run"], "'no/such/run' does not exist"),
        (["evaluate"], "Missing argument 'RUN'"),
        (["evaluate", "no/such/run"], "'no/such/run' does not exist"),
        (["predict", "."], "Missing argument 'IMAGES...'"),
        (["predict", ".", "no/such.jpg"], "'no/such.jpg' does not exist"),
        (["report"], "Missing argument 'RUNS...'"),
        (["draw"], "Missing option '--out'"),
        (["translate"], "translate"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line_and_exit_2(hiertrain, args, said):
    line = hiertrain(*args).error(2)
    assert said in line
    assert "--help" in line


@pytest.mark.parametrize(
    "option",
    [
        ("--method", "theirs"), ("--epochs", "0"), ("--epochs", "many"), ("--batch-size", "1"), ("--image-size", "8"),
        ("--seed", "-1"), ("--seed", str(2**70)), ("--learning-rate", "-1"), ("--limit-per-class", "0"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_value_out_of_range_names_its_option(refused, option):
    assert option[0] in refused(*option, code=2)


# The hierarchy file


def broken(key, value, level=1):
    def spoil(content):
        target = content if level is None else content["levels"][level]
        target[key] = value
        return json.dumps(content)

    return spoil


HIERARCHIES = {
    "not JSON": (lambda _: "{", "not JSON"),
    "no text": (lambda _: "\udcff", "not JSON"),
    "a list": (lambda _: "[]", "not a hierarchy file"),
    "another format": (broken("format", "newick", None), "not a hierarchy file"),
    "another version": (broken("version", 2, None), "version: 2 cannot be read"),
    "a label with two parents": (
        lambda content: broken("labels", ["Red", "Red", "Blue", "Teal"])(
            {**content, "levels": [content["levels"][0], {**content["levels"][1], "parents": [0, 1, 1, 1]}]}
        ),
        "'Red' has two parents, 'warm' and 'cold'",
    ),
    "a parent out of range": (broken("parents", [0, 0, 1, 2]), "levels[1].parents[3]"),
    "a negative parent": (broken("parents", [0, 0, 1, -1]), "levels[1].parents[3]"),
    "too few parents": (broken("parents", [0, 0, 1]), "3 parents for 4 labels"),
    "a class twice": (broken("classes", ["red", "red", "blue", "teal"]), "class 'red' is listed twice"),
    "a childless label": (broken("parents", [0, 0, 0, 0]), "'cold' has no colour under it"),
    "no levels": (broken("levels", [], None), "levels"),
    "a number for a label": (broken("labels", [1, 2, 3, 4]), "levels[1].labels[0]"),
}


@pytest.mark.parametrize(("spoil", "said"), HIERARCHIES.values(), ids=HIERARCHIES)
def test_a_broken_hierarchy_file_is_named_with_the_place(refused, patches, tmp_path, spoil, said):
    file = tmp_path / "broken.json"
    file.write_bytes(spoil(json.loads(patches.hierarchy.read_text())).encode(errors="surrogateescape"))
    line = refused("--hierarchy", file)
    assert str(file) in line
    assert said in line
    assert ";" in line  # the cure comes after it


def test_a_folder_in_place_of_the_hierarchy_is_wrong_usage(refused, tmp_path):
    assert "is a directory" in refused("--hierarchy", tmp_path, code=2)


# The dataset


def test_a_missing_dataset_says_what_goes_where_and_what_to_try_instead(refused, tmp_path):
    line = refused("--data", tmp_path / "nowhere")
    assert f"{tmp_path}/nowhere: no images of the dataset here, there is no such folder" in line
    assert f"{tmp_path}/nowhere/train/CLASS/" in line
    assert re.search("--data|`data`", line)
    assert not (tmp_path / "nowhere").exists()
    assert "sketchbirds.json" in line


@pytest.mark.parametrize("dataset", ["cub", "aircraft", "cars"])
def test_a_missing_dataset_of_the_paper_says_what_to_fetch(refused, hierarchy_file, tmp_path, dataset):
    line = refused("--hierarchy", hierarchy_file(tmp_path / "h.json", dataset=dataset), "--data", tmp_path / "nowhere")
    assert {"cub": "hiertax download --dataset cub", "aircraft": "FGVC-Aircraft", "cars": "Stanford Cars"}[
        dataset
    ] in line
    assert f"{tmp_path}/nowhere" in line


def test_another_layout_says_what_was_expected(refused, tmp_path):
    (tmp_path / "odd" / "photos").mkdir(parents=True)
    line = refused("--data", tmp_path / "odd")
    assert f"{tmp_path}/odd: no images of" in line
    assert "neither in" in line
    assert "train/CLASS/*.jpg" in line
    assert "images.txt" in line


def test_a_file_in_place_of_the_dataset_is_refused(refused, patches):
    assert str(patches.hierarchy) in refused("--data", patches.hierarchy)


def test_a_missing_test_split_is_named(refused, own_patches):
    shutil.rmtree(own_patches / "test")
    line = refused("--data", own_patches)
    assert f"{own_patches}: train without test or val; add a folder of it" in line


def test_unknown_classes_are_named_with_the_nearest(refused, own_patches):
    for split in ("train", "test"):
        (own_patches / split / "orange").rename(own_patches / split / "orang")
    line = refused("--data", own_patches)
    assert "1 of 4 classes are not in hierarchy 'patches': 'orang' (nearest: 'orange')" in line
    assert "rename" in line


def test_a_single_training_image_is_refused(hiertrain, patches, own_patches, tmp_path):
    for folder in own_patches.glob("*/*"):
        if folder.name not in ("red", "blue"):
            shutil.rmtree(folder)
    outcome = hiertrain(
        *patches.options("--data", own_patches, "--limit-per-class", 1, "--out", tmp_path / "out" / "run"),
        *("--batch-size", 8, "--accumulate", 2),
    )
    assert outcome.code == 1
    assert "2 training images; batch normalisation needs two or more" in outcome.err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.fixture
def cub(tmp_path, patches):
    """Two patches of each of two classes in CUB's own layout."""
    root = tmp_path / "CUB_200_2011"
    shutil.copytree(patches.data / "train", root / "images")
    (root / "classes.txt").write_text("1 red\n2 blue\n")
    (root / "images.txt").write_text("1 red/0.png\n2 red/1.png\n3 blue/0.png\n4 blue/1.png\n")
    (root / "image_class_labels.txt").write_text("1 1\n2 1\n3 2\n4 2\n")
    (root / "train_test_split.txt").write_text("1 1\n2 0\n3 1\n4 0\n")
    return root


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("classes.txt", None, "classes.txt: No such file or directory"),
        ("image_class_labels.txt", "1 1\n2 1\n3 2\n", "image '4' is not in both"),
        ("image_class_labels.txt", "1 1\n2 1\n3 2\n4 9\n", "image '4' has class '9'"),
        ("train_test_split.txt", "1 1\n1 0\n3 1\n4 0\n", "train_test_split.txt:2: "),
        ("images.txt", "1\n", "images.txt:1: "),
    ],
    ids=["gone", "an image less", "a class unknown", "an image twice", "half a line"],
)
def test_a_broken_list_of_cub_names_file_and_line(refused, cub, name, content, said):
    if content is None:
        (cub / name).unlink()
    else:
        (cub / name).write_text(content)
    line = refused("--data", cub)
    assert said in line
    assert str(cub) in line


def test_cub_in_its_own_layout_trains(hiertrain, patches, cub, tmp_path):
    assert hiertrain(*patches.options("--data", cub, "--out", tmp_path / "run", epochs=1)).code == 0


# Images


@pytest.mark.parametrize(
    "content", [b"", b"not a picture", b"\xff\xd8\xff\xe0" + bytes(200)], ids=["empty", "text", "headless"]
)
@pytest.mark.parametrize("split", ["train", "test"])
def test_an_image_that_cannot_be_decoded_is_named(refused, own_patches, split, content):
    bad = own_patches / split / "blue" / "1.png"
    bad.write_bytes(content)
    line = refused("--data", own_patches)
    assert f"{bad}: cannot be decoded" in line
    assert re.search("--skip-bad-images|`skip_bad_images`", line)


def test_half_an_image_is_no_image(refused, own_patches):
    bad = own_patches / "train" / "blue" / "1.png"
    bad.write_bytes(bad.read_bytes()[:900])
    assert str(bad) in refused("--data", own_patches)


def test_bad_images_can_be_skipped_and_are_counted(hiertrain, patches, own_patches, tmp_path):
    for name in ("train/blue/1.png", "train/red/0.png", "test/red/2.png"):
        (own_patches / name).write_bytes(b"no picture")
    run = tmp_path / "run"
    outcome = hiertrain(*patches.options("--data", own_patches, "--skip-bad-images", "--out", run, epochs=1))
    assert outcome.code == 0, outcome
    assert "training: 2 of 24 images cannot be decoded and are left out" in outcome.err
    assert "test: 1 of 11 images cannot be decoded and are left out" in outcome.err
    scores = json.loads(hiertrain("evaluate", run, "--json").out)
    assert (scores["n"], scores["left_out"]) == (10, 1)


def test_not_one_good_image_is_too_few_even_to_skip(hiertrain, patches, own_patches, tmp_path):
    for file in own_patches.glob("test/*/*.png"):
        file.write_bytes(b"no picture")
    options = patches.options("--data", own_patches, "--skip-bad-images", "--out", tmp_path / "out" / "run")
    assert "not one image could be decoded" in hiertrain(*options).error()
    assert not (tmp_path / "out").exists()


# Network and weights


@pytest.mark.parametrize("name", ["resnet5000", "fasterrcnn_resnet50_fpn", "quantized_mobilenet_v2", "", "../x"])
def test_an_unknown_backbone_names_some_that_are_known(refused, name):
    line = refused("--backbone", name)
    assert "torchvision has no such classification network" in line
    assert "resnet50" in line


def test_an_image_size_too_small_for_the_backbone_is_refused(refused):
    assert "--image-size 32: does not suit alexnet" in refused("--backbone", "alexnet")


def resnet10():
    return {name: tensor for name, tensor in build_backbone("resnet10").state_dict().items() if tensor.dim()}


def narrow():
    state = build_backbone("shufflenet_v2_x0_5").state_dict()
    return {**state, "conv1.0.weight": torch.zeros(12, 3, 3, 3)}


@pytest.mark.parametrize(
    ("state", "said"),
    [(resnet10, "not weights of shufflenet_v2_x0_5"), (narrow, "conv1.0.weight has shape [12, 3, 3, 3]")],
    ids=["another network", "another width"],
)
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_weights_of_another_network_are_refused(refused, tmp_path, state, said, suffix):
    file = tmp_path / f"weights.{suffix}"
    torch.save(state(), file) if suffix == "pth" else save_file(state(), file)
    line = refused("--weights", file)
    assert said in line
    assert str(file) in line
    assert "name the --backbone they belong to" in line


class Hostile:
    def __reduce__(self):
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"rubbish", bytes(100), {"conv": Hostile()}, [1, 2], {1: torch.zeros(1)}],
    ids=["empty", "rubbish", "zeros", "code", "a list", "numbered"],
)  # fmt: skip
def test_unreadable_weights_are_refused_and_nothing_is_executed(refused, tmp_path, monkeypatch, content, suffix):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / f"weights.{suffix}"
    file.write_bytes(content) if isinstance(content, bytes) else torch.save(content, file)
    line = refused("--weights", file)
    assert f"--weights {file}" in line
    assert "weights_only" not in line
    assert not (tmp_path / "executed").exists()


def test_a_missing_weights_file_says_what_may_stand_there(refused, tmp_path):
    line = refused("--weights", tmp_path / "none.pth")
    assert "no such file" in line
    assert "`imagenet` or `none`" in line


def test_imagenet_weights_without_a_network_are_one_line(hiertrain, patches, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port, where nobody listens
    monkeypatch.setattr("urllib.request._opener", None)
    outcome = hiertrain(*patches.options("--weights", "imagenet", "--out", tmp_path / "out" / "run"))
    assert (outcome.code, outcome.out) == (1, "")
    *progress, line = outcome.err.splitlines()
    assert all(said.startswith("Downloading") for said in progress)
    assert "could not be downloaded" in line
    assert "--weights none" in line
    assert not (tmp_path / "out").exists()
    assert list(tmp_path.glob("torch/**/*.pth")) == []


def test_there_are_no_imagenet_weights_of_the_small_network(refused):
    assert "torchvision has none for resnet10" in refused("--backbone", "resnet10", "--weights", "imagenet")


# The machine


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused_by_every_command(hiertrain, refused, patches, run):
    image = patches.data / "test" / "red" / "0.png"
    lines = [refused("--device", "cuda")]
    lines += [hiertrain(*args, "--device", "cuda").error() for args in (("evaluate", run), ("predict", run, image))]
    assert all("--device cuda: not on this machine" in line and "try --device cpu" in line for line in lines)


@pytest.mark.parametrize("name", ["gpu", "meta", "cuda:99", ""])
def test_a_device_that_does_not_exist_is_refused(refused, name):
    assert f"--device {name}: not on this machine" in refused("--device", name)


def test_an_out_folder_under_a_file_is_refused(hiertrain, patches, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file" / "run", tmp_path / "file" / "deep" / "run"):
        line = hiertrain(*patches.options("--out", out)).error()
        assert str(out) in line
        assert "choose another place" in line
    assert str(tmp_path / "file") in hiertrain(*patches.options("--out", tmp_path / "file")).error(2)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_read_only_out_folder_is_refused(hiertrain, patches, tmp_path):
    tmp_path.chmod(0o500)
    try:
        assert "cannot be written: Permission denied" in hiertrain(*patches.options("--out", tmp_path / "run")).error()
    finally:
        tmp_path.chmod(0o700)


def test_other_commands_that_cannot_write_say_so(hiertrain, run, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "cannot be written" in hiertrain("report", run, "--out", tmp_path / "file" / "page.html").error()
    assert str(tmp_path / "file") in hiertrain("draw", "--out", tmp_path / "file" / "birds").error()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# A run that is none


@pytest.mark.parametrize("command", ["evaluate", "predict", "report", "--resume"])
def test_a_folder_that_is_no_run_is_refused(hiertrain, patches, tmp_path, command):
    (tmp_path / "no").mkdir()
    image = [patches.data / "test" / "red" / "0.png"] if command == "predict" else []
    line = hiertrain(command, tmp_path / "no", *image).error()
    assert f"{tmp_path}/no: no run with anything saved here" in line
    assert "name the folder that a run was trained in" in line


def test_debug_shows_the_traceback(patches, tmp_path):
    from taxonomy import HiertaxError
    from trainer.commands import main

    with pytest.raises(HiertaxError, match="no images"):
        main(["--debug", *map(str, patches.options("--data", tmp_path / "nowhere"))])
