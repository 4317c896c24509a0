"""Features of a frozen backbone are computed once, and kept only for what gives the same ones."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch

from taxonomy.files import cache_root
from trainer.data.entries import list_entries
from trainer.data.inputs import ArrayInputs
from trainer.inference.features import features_of
from trainer.models.stored import LAST, read_checkpoint
from trainer.runtime.progress import Reporter

CONFIG = replace(tiny.CONFIG, image_size=32, batch_size=4)


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("HIERTAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Counting(tiny.OneConvolution):
    """A backbone that counts the images it has seen."""

    seen = 0

    def forward(self, images):
        self.seen += len(images)
        return super().forward(images)


def network():
    made = tiny.network()
    torch.manual_seed(0)
    made.backbone = Counting(0.0)
    return made


def features(net, images=None, config=CONFIG, compute=tiny.CPU):
    before = net.backbone.seen
    found = features_of(images or tiny.images(10).inputs, "training", net, config, compute, Reporter())
    return found, net.backbone.seen - before


def test_the_second_time_only_the_first_few_are_computed_to_see_that_the_kept_ones_are_right():
    first, seen = features(network())
    again, more = features(network())
    assert torch.equal(first, again)
    assert (seen, more) == (10, 4)


def test_other_heads_see_the_same_features():
    features(network())
    other = network()
    torch.nn.init.normal_(other.classifier.heads.heads[0].weight)
    assert features(other)[1] == 4


def other_weights():
    net = network()
    with torch.no_grad():
        next(net.backbone.parameters()).add_(0.1)
    return {"net": net}


def other_pixels():
    images = tiny.images(10).inputs.tensor.clone()
    images[7, 0, 0, 0] ^= 1
    return {"images": ArrayInputs(images)}


@pytest.mark.parametrize(
    "change",
    [
        other_weights, other_pixels, lambda: {"config": replace(CONFIG, pool="avg")},
        lambda: {"config": replace(CONFIG, batch_size=5)}, lambda: {"compute": tiny.on_cpu(torch.bfloat16)},
    ],
)  # fmt: skip
def test_whatever_would_change_the_features_has_an_entry_of_its_own(change, root):
    features(network())
    assert features(**{"net": network(), **change()})[1] == 10
    assert len(list_entries(root)) == 2


def test_without_a_cache_nothing_is_kept(root):
    assert [features(network(), config=replace(CONFIG, cache="off"))[1] for _ in range(2)] == [10, 10]
    assert not root.exists()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:200]), "computing the features anew"),
        (lambda file: np.save(file, np.zeros((10, tiny.CHANNELS), np.float32)), "holds features of something else"),
        (lambda file: np.save(file, np.zeros((9, tiny.CHANNELS), np.float32)), "holds features of something else"),
    ],
    ids=["truncated", "other features", "other images"],
)
def test_what_is_damaged_is_said_and_made_anew(damage, said, root, capsys):
    first, _ = features(network())
    (entry,) = list_entries(root)
    damage(entry.folder / "features.npy")
    again, seen = features(network())
    assert said in capsys.readouterr().err
    assert seen >= 10
    assert torch.equal(first, again)
    assert features(network())[1] == 4


def test_where_there_is_no_room_the_run_goes_on(root, capsys, full_disk):
    with full_disk(200):
        assert features(network())[1] == 10
    assert f"{root}: features of training images are not kept (" in capsys.readouterr().err
    assert not list(root.iterdir())


def test_the_cache_lists_features_and_keeps_its_limit(root, hiertrain, capsys):
    features(network())
    (about,) = json.loads(hiertrain("cache", "--json").out)
    assert about["what"] == f"training, as {CONFIG.backbone} sees them"
    assert (about["images"], about["state"]) == (10, "whole")
    features(network(), config=replace(CONFIG, batch_size=5, cache_limit=0.5e-6))
    assert "1 entry of decoded images or features (0.00 GB) removed" in capsys.readouterr().err
    assert len(list_entries(root)) == 1
    hiertrain("cache", "--clear")
    assert not list_entries(cache_root())


def test_a_run_on_kept_features_ends_as_the_first_one(hiertrain, patches, tmp_path, root):
    weights = []
    for name in ("first", "second"):
        assert hiertrain(*patches.options("--freeze-backbone", "--out", tmp_path / name, epochs=1)).code == 0
        weights.append(read_checkpoint(tmp_path / name / LAST)[1])
        assert len([entry for entry in list_entries(root) if (entry.folder / "features.npy").exists()]) == 2
    assert tiny.same(*weights)
