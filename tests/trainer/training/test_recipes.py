"""Recipes and what they may set beyond the paper's: heads first, a warm-up, AdamW, decay of matrices alone."""

from dataclasses import replace
from math import cos, pi

import pytest
import tiny
import torch
from runs import log, stored
from torch.optim import AdamW

import trainer
from taxonomy import HiertaxError
from trainer.config import Config, read_settings
from trainer.models.stored import WEIGHTS, strip_prefix
from trainer.recipes import RECIPES, read_recipe, recipe_file
from trainer.training.optimizer import make_optimizer, share_of_peak


def backbone(run):
    """The weights and running statistics of a run's backbone."""
    state = strip_prefix(WEIGHTS, stored(run)[1])
    return {name: tensor for name, tensor in state.items() if name.startswith("backbone")}


def test_the_recipe_of_the_paper_is_the_defaults():
    assert Config(**read_recipe("paper")) == Config()


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_a_file_that_config_reads(name):
    assert read_settings(recipe_file(name)) == read_recipe(name)


def test_what_is_given_beside_a_recipe_wins(hiertrain, patches, tmp_path):
    own, run = tmp_path / "own.toml", tmp_path / "run"
    own.write_text("momentum = 0.5\nweight_decay = 0.25\n")
    words = ("--config", own, "--recipe", "paper", "--weight-decay", 0.125)
    assert hiertrain(*patches.options("--freeze-backbone", *words, "--out", run, epochs=1)).code == 0
    settings = read_settings(run / "config.toml")
    assert (settings["momentum"], settings["weight_decay"], settings["learning_rate"]) == (0.5, 0.125, 0.1)


def test_the_data_of_a_file_win_over_the_environments(hiertrain, run, tmp_path, monkeypatch):
    monkeypatch.setenv("HIERTAX_DATA", str(tmp_path / "elsewhere"))
    words = ("--config", run / "config.toml", "--out", tmp_path / "run")
    assert hiertrain(*words, "--freeze-backbone", "--epochs", 1).code == 0
    assert read_settings(tmp_path / "run" / "config.toml")["data"] == read_settings(run / "config.toml")["data"]


def test_a_recipe_of_which_a_file_leaves_nothing_is_refused(hiertrain, run, tmp_path):
    for words in (
        ("--config", run / "config.toml", "--recipe", "strong"),
        ("--recipe", "strong", "--config", run / "config.toml"),
    ):
        line = hiertrain(*words, "--out", tmp_path / "run").error(2)
        assert f"--recipe strong changes nothing: {run / 'config.toml'} sets all that it does; leave out one" in line


def test_there_is_no_other_recipe(hiertrain, patches, run):
    with pytest.raises(HiertaxError, match="`recipe` weak: no such recipe; choose one of paper, strong"):
        trainer.train(patches.hierarchy, patches.data, recipe="weak")
    assert "'weak' is not one of 'paper', 'strong'" in hiertrain(*patches.options("--recipe", "weak")).error(2)
    assert "leave them out with --resume" in hiertrain("--resume", run, "--recipe", "paper").error(2)


def test_heads_and_the_whole_network_each_have_a_half_cosine_and_the_latter_a_warm_up():
    config = Config(epochs=10, heads_first=3, warmup_epochs=2)
    heads = [0.5 * (1 + cos(pi * t / 3)) for t in range(3)]
    whole = [1 / 3, 2 / 3, *(0.5 * (1 + cos(pi * t / 5)) for t in range(5))]
    assert [share_of_peak(epoch, config) for epoch in range(10)] == heads + whole


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"heads_first": 5, "epochs": 5}, "`heads_first` 5: leaves none of 5 epochs"),
        ({"heads_first": 2, "freeze_backbone": True}, "`heads_first`: the backbone is frozen in all epochs"),
        ({"heads_first": 2, "warmup_epochs": 3, "epochs": 5}, "`warmup_epochs` 3: is to be less than the 3 epochs"),
    ],
)
def test_phases_that_do_not_fit_are_refused(settings, words):
    with pytest.raises(HiertaxError, match=words):
        Config(**settings)


def test_a_method_that_cannot_learn_from_features_has_no_heads_to_learn_first(patches, monkeypatch, tmp_path):
    from trainer.models.single import SingleNetwork

    monkeypatch.setattr(SingleNetwork, "can_freeze", False)
    settings = {"backbone": "resnet10", "weights": "none", "image_size": 32, "epochs": 2, "batch_size": 8}
    with pytest.raises(HiertaxError, match="`heads_first`: ours learns from views of the images"):
        trainer.train(patches.hierarchy, patches.data, heads_first=1, out=tmp_path / "run", **settings)


def test_heads_learn_first_and_the_backbone_not_before_them(hiertrain, patches, tmp_path):
    run, frozen = tmp_path / "run", tmp_path / "frozen"
    options = patches.options("--heads-first", 2, "--patience", 9, "--val-fraction", 0.3, "--out", run, epochs=4)
    before = {}

    def keep(owner, rows):
        before[len(rows)] = {name: t.clone() for name, t in owner.learner.network.state_dict().items()}
        return original(owner, rows)

    from trainer.training.loop import Training

    original = Training._snapshot
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "_snapshot", keep)
        assert hiertrain(*options).code == 0
    names = [name for name in before[1] if name.startswith("backbone")]
    assert all(torch.equal(before[1][name], before[2][name]) for name in names)
    assert not all(torch.equal(before[2][name], before[3][name]) for name in names)
    assert [row["backbone_learning_rate"] > 0 for row in log(run)] == [False, False, True, True]
    alone = patches.options("--freeze-backbone", "--val-fraction", 0.3, "--out", frozen, epochs=2)
    assert hiertrain(*alone).code == 0
    heads = strip_prefix(WEIGHTS, stored(frozen)[1])
    assert all(torch.equal(tensor, before[2][name]) for name, tensor in heads.items())  # the same half cosine


def test_adamw_moves_what_the_recipe_says():
    made = make_optimizer(tiny.network(), replace(tiny.CONFIG, optimizer="adamw", weight_decay=0.05))
    assert isinstance(made, AdamW)
    assert [(group["lr"], group["weight_decay"]) for group in made.param_groups] == [(0.1, 0.05), (0.01, 0.05)]


def test_biases_and_norms_may_be_spared_from_weight_decay():
    network = tiny.network()
    made = make_optimizer(network, replace(tiny.CONFIG, decay_norms=False))
    spared = {name for group in made.param_groups if not group["weight_decay"] for name in group["param_names"]}
    assert spared == {name for name, parameter in network.named_parameters() if parameter.ndim == 1}
    assert sum(len(group["params"]) for group in made.param_groups) == len(list(network.parameters()))
    assert {group["lr"] for group in made.param_groups if group["part"] == "backbone"} == {0.01}
