"""Runs as files for elsewhere: what they answer, what they carry, and what is refused."""

import json
import runpy
import sys
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path

import httpx
import numpy as np
import pytest
import tiny
import torch
from huggingface_hub import ModelCard
from runs import contents
from web import serving

import trainer
from taxonomy import HiertaxError
from trainer.api.exported import ExportedModel
from trainer.config import METHODS
from trainer.export.about import About, wishes_told
from trainer.export.folder import export_folder
from trainer.export.network import captured
from trainer.export.write import export
from trainer.inference.answering.wishes import Wishes
from trainer.models.methods import network_of
from trainer.serve.app import application

BACKBONES = {"resnet10": 32, "timm/test_vit": 32}  # normalised over batches, and attentive; pixels


WRITTEN = ("vanilla_multi", "ft", "ours_nts", "pmg")  # as ONNX: together they have what all methods consist of


@pytest.fixture(scope="module", autouse=True)
def operators_read_once():
    """Torch translates the source of its operators anew for each file, in half the time that a small one takes."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(cache(ONNXRegistry.from_torchlib)))
        yield


@pytest.fixture(scope="module")
def run(hiertrain, patches, tmp_path_factory):
    """A run of few layers, as each takes a second to be written as ONNX."""
    path = tmp_path_factory.mktemp("runs") / "tiny"
    outcome = hiertrain(*patches.options("--backbone", "alexnet", "--image-size", 64, "--out", path))
    assert outcome.code == 0, outcome
    return path


@pytest.fixture(scope="module")
def model(run):
    return trainer.load(run, device="cpu")


@pytest.fixture(scope="module")
def onnx(model, tmp_path_factory):
    return model.export(tmp_path_factory.mktemp("onnx") / "tiny.onnx")


def test_an_onnx_file_gives_the_names_and_probabilities_of_its_run(model, onnx, patches):
    own, other = model.predict(patches.data / "test"), trainer.load(onnx).predict(patches.data / "test")
    assert other.images == own.images
    assert np.array_equal(other.labels, own.labels)
    assert np.allclose(other.probability, own.probability, atol=1e-4)


@pytest.mark.parametrize("count", [1, 3, 11])
def test_any_number_of_images_is_a_batch(model, onnx, count):
    images = np.random.default_rng(0).integers(0, 256, (count, 40, 40, 3), dtype=np.uint8)
    for own, other in zip(model.logits(images), trainer.load(onnx).logits(images), strict=True):
        assert np.allclose(own, other, atol=1e-3)


def test_the_command_predicts_from_a_file_what_it_predicts_from_the_run(hiertrain, run, onnx, patches, tmp_path):
    image = next(patches.data.glob("test/*/*.png"))
    assert hiertrain("predict", onnx, image).out == hiertrain("predict", run, image).out
    assert hiertrain("predict", onnx, image, "--out", tmp_path / "answers.csv").code == 0


def test_a_file_is_served_as_its_run_is_but_without_maps(model, onnx, patches):
    image = next(patches.data.glob("test/*/*.png"))
    [expected] = model.predict(image).to_json()
    with serving(application(trainer.load(onnx))) as url:
        found, about = (
            httpx.post(f"{url}/api/answer", content=image.read_bytes()),
            httpx.get(f"{url}/api/model").json(),
        )
        refused = httpx.post(f"{url}/api/answer?maps=1", content=image.read_bytes())
        assert about["no_maps"] in httpx.get(url).text
    assert [link["label"] for link in found.json()["chain"]] == [link["label"] for link in expected["chain"]]
    assert (about["maps"], about["no_maps"].partition(";")[0]) == (False, "an exported file gives answers alone")
    assert (refused.status_code, refused.json()) == (400, {"error": f"`maps`: {about['no_maps']}"})


@pytest.fixture
def program(tmp_path, monkeypatch, capsys):
    """Return what runs the program of the docs that has a word, with some arguments, and returns what it prints."""

    def run_it(word, *args):
        text = (Path(__file__).parents[3] / "docs" / "export.md").read_text()
        (code,) = (part.split("```")[0] for part in text.split("```python\n") if word in part)
        (tmp_path / "program.py").write_text(code)
        monkeypatch.setattr(sys, "argv", ["program.py", *map(str, args)])
        capsys.readouterr()
        runpy.run_path(str(tmp_path / "program.py"), run_name="__main__")
        return capsys.readouterr().out

    return run_it


def test_the_program_of_the_docs_gives_the_same_names(model, onnx, patches, program):
    images = sorted(patches.data.glob("test/*/*.png"))
    told = program("onnxruntime.Inference", onnx, *images)
    chains = [[link.label for link in answer.chain] for answer in model.predict(images)]
    expected = [f"{image} {chain}" for image, chain in zip(images, chains, strict=True)]
    assert [line.rpartition(" ")[0] for line in told.splitlines()] == expected


def with_network(model, network, size=32):
    """The run with another network in its place, and some images of its size."""
    config = replace(model.config, image_size=size, freeze_backbone=False)
    own = replace(model, config=config, network=network.eval().requires_grad_(False))
    return own, np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)


def of_method(model, method):
    """The run by another method, over a tiny network; where it chooses parts of images, of many."""
    return with_network(model, tiny.of_stages(method, sizes=model.hierarchy.sizes), 96 if "nts" in method else 32)


@pytest.mark.parametrize("method", [method for method in METHODS if method not in WRITTEN])
def test_every_method_is_captured_as_a_graph(method, model):
    """As those are that are written, too."""
    own, images = of_method(model, method)
    found = captured(own).module()(torch.from_numpy(images).permute(0, 3, 1, 2))
    for one, two in zip(own.logits(images), found, strict=True):
        np.testing.assert_allclose(two, one, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", WRITTEN)
def test_what_methods_consist_of_is_exported(method, model, tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.models.parts.READ", 2)  # of four parts the graph has a thousand nodes
    own, images = of_method(model, method)
    for one, two in zip(own.logits(images), trainer.load(own.export(tmp_path / "a.onnx")).logits(images), strict=True):
        np.testing.assert_allclose(two, one, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "size"), BACKBONES.items())
def test_networks_of_either_library_are_exported(backbone, size, model, tmp_path):
    torch.manual_seed(0)
    config = replace(model.config, backbone=backbone, image_size=size, weights="none", freeze_backbone=False)
    own, images = with_network(model, network_of(config, model.hierarchy), size)
    for one, two in zip(own.logits(images), trainer.load(own.export(tmp_path / "a.onnx")).logits(images), strict=True):
        np.testing.assert_allclose(two, one, atol=1e-3)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_smaller_weights_answer_nearly_the_same(model, onnx, patches, tmp_path, precision):
    check_smaller(model.export(tmp_path / "small.onnx", precision=precision), model, onnx, patches)


def check_smaller(small, model, onnx, patches):
    assert small.stat().st_size < 0.8 * onnx.stat().st_size
    own, other = model.predict(patches.data / "test"), trainer.load(small).predict(patches.data / "test")
    assert np.allclose(other.probability, own.probability, atol=0.1)


@pytest.fixture(scope="module")
def pt2(model, tmp_path_factory):
    return model.export(tmp_path_factory.mktemp("pt2") / "tiny.pt2")


@pytest.fixture(scope="module")
def safetensors(model, tmp_path_factory):
    return model.export(tmp_path_factory.mktemp("safetensors") / "tiny.safetensors")


@pytest.mark.parametrize("name", ["onnx", "pt2", "safetensors"])
def test_a_file_tells_no_paths_of_the_machine_that_wrote_it(request, name):
    content = request.getfixturevalue(name).read_bytes()
    assert str(Path(trainer.__file__).parents[1]).encode() not in content
    assert b"site-packages" not in content


def test_labels_go_with_their_logits_in_whatever_order_a_hierarchy_has_them(model, patches, tmp_path):
    levels, order = model.hierarchy.levels, [2, 0, 3, 1]
    colours = replace(
        levels[1],
        labels=tuple(levels[1].labels[i] for i in order),
        parents=levels[1].parents[order],
    )
    classes = tuple(model.hierarchy.classes[i] for i in order)
    hierarchy = replace(model.hierarchy, levels=(levels[0], colours), classes=classes)
    network = deepcopy(model.network)
    last = [module for module in network.modules() if isinstance(module, torch.nn.Linear) and module.out_features == 4]
    assert len(last) == 1
    last[0].weight.data, last[0].bias.data = last[0].weight.data[order], last[0].bias.data[order]
    answering = replace(model.answering, hierarchy=hierarchy)
    other = replace(model, hierarchy=hierarchy, network=network, answering=answering)
    names = trainer.load(other.export(tmp_path / "a.onnx")).predict(patches.data / "test").to_frame()
    own = model.predict(patches.data / "test").to_frame()
    assert names[["tone", "colour"]].equals(own[["tone", "colour"]])


@pytest.fixture(scope="module")
def sure(model):
    """The run, calibrated, answering of some classes as deep as it is sure, with a threshold for what is unknown."""
    restriction, prior = np.array([True, True, False, True]), np.array([1.0, 2.0, 1.0, 0.5])
    calibration = {"temperatures": (2.0, 0.5), "path_weights": (0.7, 0.3)}
    how = {"confidence": 0.6, "restriction": restriction, "prior": prior, "unknown_threshold": -1e9}
    return replace(model, answering=replace(model.answering, **calibration, **how))


def test_calibration_and_how_to_answer_are_in_the_file(sure, model, patches, tmp_path):
    file = sure.export(tmp_path / "sure.onnx")
    own, other = sure.predict(patches.data / "test"), trainer.load(file).predict(patches.data / "test")
    assert np.array_equal(other.labels, own.labels)
    assert not np.array_equal(other.labels, model.predict(patches.data / "test").labels)
    assert np.allclose(other.probability, own.probability, atol=1e-4, equal_nan=True)


def test_the_command_says_how_a_file_answers_until_it_is_asked_otherwise(hiertrain, run, patches, tmp_path):
    file, image = tmp_path / "sure.onnx", next(patches.data.glob("test/*/*.png"))
    assert hiertrain("export", run, "--out", file, "--confidence", "0.999", "--without", "red").code == 0
    told = hiertrain("predict", file, image)
    assert told.out == hiertrain("predict", run, image, "--confidence", "0.999", "--without", "red").out
    assert "answers as it was exported: confidence 0.999, 3 of 4 classes" in told.err
    assert hiertrain("predict", file, image, "--confidence", "0").out == hiertrain("predict", run, image).out


def test_an_audience_goes_with_the_file(model):
    own = model.wishing(Wishes(audience="amateur"))
    metadata = About.of(own, "fp32").to_metadata()
    found = About.from_metadata(metadata, Path("amateur.onnx")).answering
    assert found.served == own.answering.served != model.answering.served
    assert wishes_told(found) == "for an audience (69 %, 100 % served)"
    before = json.dumps({name: v for name, v in json.loads(metadata["answering"]).items() if name != "served"})
    assert About.from_metadata({**metadata, "answering": before}, Path("older.onnx")).answering.served is None


def test_the_loss_of_accuracy_is_printed(hiertrain, run, model, onnx, patches, tmp_path):
    out = tmp_path / "small.onnx"
    told = hiertrain("export", run, "--out", out, "--precision", "int8", "--data", patches.data)
    assert told.code == 0, told
    assert "MB, int8" in told.out
    assert "tone: " in told.out
    assert " of 11 answers changed" in told.out
    check_smaller(out, model, onnx, patches)


def test_pt2_gives_the_logits_of_the_run(model, pt2):
    program = torch.export.load(pt2)
    size = model.config.image_size
    images = np.random.default_rng(0).integers(0, 256, (5, size, size, 3), dtype=np.uint8)
    found = program.module()(torch.from_numpy(images).permute(0, 3, 1, 2))
    for own, other in zip(model.logits(images), found, strict=True):
        assert np.allclose(own, other.detach().numpy(), atol=1e-3)


def test_a_folder_has_weights_settings_and_a_card_with_numbers(hiertrain, run, patches, tmp_path):
    told = hiertrain("export", run, "--to", "folder", "--out", tmp_path / "model", "--data", patches.data)
    assert told.code == 0, told
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"model.safetensors", "config.json", "README.md"}
    card = (tmp_path / "model" / "README.md").read_text()
    assert "Accuracy on 11 test images" in card
    assert ModelCard(card).data.to_dict() == {"library_name": "hiertax", "pipeline_tag": "image-classification"}
    assert "is there already" in hiertrain("export", run, "--to", "folder", "--out", tmp_path / "model").err


def test_timm_takes_the_backbone_of_a_folder_by_the_program_of_the_docs(model, tmp_path, program):
    config = replace(model.config, backbone="timm/test_resnet", weights="none", freeze_backbone=False)
    network = network_of(config, model.hierarchy).eval().requires_grad_(False)
    export_folder(replace(model, config=config, network=network), tmp_path / "model")
    assert program("timm.create_model", tmp_path / "model") == f"test_resnet {network.backbone.width}\n"


# What is refused


def spoilt(onnx, how):
    import onnx as library

    content = onnx.read_bytes()
    if how == "truncated":
        return content[: len(content) // 2]
    if how == "no ONNX":
        return b"a text\n" * 100
    if how == "empty":
        return b""
    model = library.load_model_from_string(content)
    if how == "no metadata":
        del model.metadata_props[:]
    elif how == "another hierarchy":
        entry = next(entry for entry in model.metadata_props if entry.key == "hierarchy")
        entry.value = entry.value.replace("red", "read")
    else:
        model.graph.initializer[0].name += "x"
    return model.SerializeToString()


@pytest.mark.parametrize(
    "how", ["truncated", "no ONNX", "empty", "no metadata", "another hierarchy", "another graph"]
)  # fmt: skip
def test_a_file_that_is_not_as_it_was_written_is_refused_in_a_line(hiertrain, onnx, patches, tmp_path, how):
    file = tmp_path / "bad.onnx"
    file.write_bytes(spoilt(onnx, how))
    outcome = hiertrain("predict", file, next(patches.data.glob("test/*/*.png")))
    assert outcome.code != 0
    assert str(file) in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1


def test_a_folder_that_is_not_there_is_refused_and_not_made(model, tmp_path):
    with pytest.raises(HiertaxError, match="is no folder"):
        model.export(tmp_path / "none" / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("write", [export, export_folder])
def test_where_there_is_no_space_nothing_is_left(model, tmp_path, full_disk, write):
    with full_disk(), pytest.raises(HiertaxError, match="cannot be written"):
        write(model, tmp_path / "a.safetensors")  # or a folder of that name
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [("a.pt2", {"precision": "int8"}, "pt2 takes fp32"), ("a.bin", {}, "choose one of"),
     ("a.bin", {"to": "onnx"}, "does not end in")],
)  # fmt: skip
def test_settings_that_do_not_go_together_are_refused(model, tmp_path, name, options, reason):
    with pytest.raises(HiertaxError, match=reason):
        model.export(tmp_path / name, **options)


@pytest.mark.parametrize("command", ["evaluate", "report", "explain"])
def test_commands_that_need_the_run_itself_say_so(hiertrain, onnx, command):
    line = hiertrain(command, onnx).error(2)
    assert f"{onnx} is an exported file, which predict and serve take; name the run itself." in line


def test_what_a_file_does_not_hold_is_said(onnx, patches):
    with pytest.raises(HiertaxError, match="target_accuracy"):
        trainer.load(onnx).predict(patches.data / "test", target_accuracy=0.9)
    with pytest.raises(HiertaxError, match="features"):
        trainer.load(onnx).features(patches.data / "test")
    with pytest.raises(HiertaxError, match="neither a log nor maps"):
        trainer.load(onnx).report(onnx.with_suffix(".html"))
    with pytest.raises(HiertaxError, match="no feature maps; ask the run itself"):
        trainer.load(onnx).explain(patches.data / "test" / "red" / "0.png")
    with pytest.raises(HiertaxError, match="an exported file already"):
        trainer.load(onnx).export(onnx.with_name("again.onnx"))
    with pytest.raises(HiertaxError, match="device"):
        ExportedModel.open(onnx, "cuda")
