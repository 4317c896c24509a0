"""Runs with backbones of all kinds: trained, stopped, gone on with, scored, asked, and their features taken."""

import json

import numpy as np
import pytest
from runs import differences, signals, stored
from torchvision.models import vision_transformer

from trainer.training.learner import Learner

RUNS = {
    "vit_b_16": ("--image-size", 32, "--train-blocks", 1, "--momentum", 0),
    "timm/vit_tiny_patch16_224": ("--image-size", 32, "--pool", "token"),
    "timm/swin_tiny_patch4_window7_224": ("--image-size", 32),
    "timm/convnext_atto": ("--image-size", 32, "--pool", "avg", "--ema", 0.5),
    "timm/efficientnet_lite0": ("--image-size", 32, "--train-blocks", 3),
    "timm/resnet10t": ("--image-size", 32, "--pool", "gem", "--method", "vanilla_multi"),
}


def build_with(patch, library, builder, **small):
    """Let a library build its networks with other numbers than those of their names."""
    original = getattr(library, builder)
    patch.setattr(library, builder, lambda *args, **settings: original(*args, **{**settings, **small}))


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "options"), RUNS.items(), ids=list(RUNS))
def test_a_run_learns_goes_on_to_the_bit_answers_and_gives_features(
    hiertrain, patches, tmp_path, backbone, options, monkeypatch
):
    """Transformers, whose smallest have tens of millions of weights, are built narrow, of few layers."""
    narrow = {"num_layers": 2, "num_heads": 3, "hidden_dim": 96, "mlp_dim": 192}
    build_with(monkeypatch, vision_transformer, "_vision_transformer", **narrow)
    if backbone.startswith("timm/"):
        swin = pytest.importorskip("timm.models.swin_transformer")
        build_with(monkeypatch, swin, "_create_swin_transformer", embed_dim=24, depths=(1, 1, 1, 1))
    learn = patches.options("--backbone", backbone, *options, "--limit-per-class", 4, epochs=1)
    whole, run = tmp_path / "whole", tmp_path / "run"
    outcome = hiertrain(*learn, "--out", whole)
    assert outcome.code == 0, outcome
    with signals(Learner, "finish_step", at=1):
        assert hiertrain(*learn, "--out", run).code == 130
    assert hiertrain("--resume", run).code == 0
    assert differences(run, whole) == []
    assert json.loads(hiertrain("evaluate", run, "--json", "--device", "cpu").out)["n"] == 11
    answers = json.loads(hiertrain("predict", run, patches.data / "test" / "red", "--json", "--device", "cpu").out)
    assert len(answers) == 3
    taken = hiertrain("extract", "--run", run, "--device", "cpu", "--out", tmp_path / "f.npz", "--split", "test")
    assert taken.code == 0, taken
    with np.load(tmp_path / "f.npz") as features:
        assert np.isfinite(features["features"]).all()
    if "--train-blocks" in options and "--momentum" not in options:
        held = [name for name in stored(run)[1] if name.startswith("optimizer/backbone")]
        assert held
        assert not any("conv_stem" in name for name in held)


def test_how_features_are_pooled_is_recorded(hiertrain, run, tmp_path):
    for name, options, pooling in (("a", (), "global average"), ("b", ("--pool", "max"), "global maximum")):
        out = tmp_path / f"{name}.npz"
        assert hiertrain("extract", "--run", run, *options, "--device", "cpu", "--out", out).code == 0
        with np.load(out) as features:
            assert pooling in str(features["about"] if "about" in features else dict(features))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--pool", "token"), "--pool token: shufflenet_v2_x0_5 has no class token; leave it out"),
        (("--train-blocks", 3, "--freeze-backbone"), "--train-blocks 3: no block of a frozen backbone learns"),
        (("--train-blocks", 99), "--train-blocks 99: shufflenet_v2_x0_5 has 18 blocks; give fewer"),
        (("--backbone", "vit_b_32", "--image-size", 40), "--image-size 40: does not suit vit_b_32; try 32 or 64, or"),
        (("--device", "nosuch"), "--device nosuch: not on this machine (Expected one of cpu, cuda"),
        (("--device", "mps"), "--device mps: not on this machine"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_one_line_and_nothing_is_written(hiertrain, patches, tmp_path, options, said):
    assert said in hiertrain(*patches.options(*options, "--out", tmp_path / "run")).error()
    assert not (tmp_path / "run").exists()
