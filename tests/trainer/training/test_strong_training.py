"""What may be set to make whole networks learn from few images or from uneven classes."""

from dataclasses import replace

import pytest
import tiny
import torch
from torch.nn.functional import cross_entropy, log_softmax

import trainer
from taxonomy import HiertaxError
from trainer.config import Config
from trainer.data.augment import Recipe, draw_params
from trainer.models.backbones import build_backbone
from trainer.models.losses import Objective, label_priors, multi_level_loss
from trainer.models.methods import build_network
from trainer.training.epoch import plan_epoch
from trainer.training.optimizer import make_optimizer
from trainer.training.order import class_weights


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"layer_decay": 0.8, "freeze_backbone": True}, "`layer_decay` 0.8: no block of a frozen backbone learns"),
        ({"norm_statistics": "pretrained", "weights": "none"}, "`weights` none has no statistics"),
        ({"label_smoothing": 0.95}, "`label_smoothing` 0.95: give a number from 0.0 to 0.9"),
        ({"layer_decay": 0.0}, "`layer_decay` 0.0: give a number from 0.01 to 1.0"),
    ],
)
def test_what_does_not_fit_is_refused(settings, words):
    with pytest.raises(HiertaxError, match=words):
        Config(**settings)


# ---------------------------------------------------------------- statistics


def test_kept_statistics_are_those_that_training_normalises_by_and_stay_as_they_are():
    network = build_network("ours", "resnet10", tiny.SIZES, keeps_statistics=True)
    before = {name: buffer.clone() for name, buffer in network.backbone.named_buffers()}
    images = torch.randn(8, 3, 32, 32, generator=tiny.generator())
    expected = network.eval().embed(images)
    assert torch.equal(network.train().embed(images), expected)
    assert all(torch.equal(buffer, before[name]) for name, buffer in network.backbone.named_buffers())
    network.classify(expected)[0].sum().backward()
    assert network.backbone.get_submodule("bn1").weight.grad is not None  # what scales them learns
    assert network.classifier.neck[0].training  # only the backbone's came with weights


def test_a_run_keeps_the_statistics_of_its_weights(hiertrain, patches, run, tmp_path):
    out = tmp_path / "run"
    kept = patches.options("--norm-statistics", "pretrained", "--out", out, epochs=1)
    assert hiertrain(*kept, "--weights", run).code == 0
    theirs, ours = (trainer.load(folder).network.backbone for folder in (run, out))
    moved = {name: buffer for name, buffer in ours.named_buffers() if "running" in name}
    assert moved
    assert all(torch.equal(buffer, theirs.get_buffer(name)) for name, buffer in moved.items())
    learned = zip(theirs.parameters(), ours.parameters(), strict=True)
    assert not any(torch.equal(one, other) for one, other in learned)


# ---------------------------------------------------------------- rates


def test_rates_fall_from_block_to_block_towards_the_images():
    network = build_network("ours", "resnet10", tiny.SIZES)
    made = make_optimizer(network, replace(tiny.CONFIG, layer_decay=0.5))
    rate_of = {name: group["lr"] for group in made.param_groups for name in group["param_names"]}
    blocks = build_backbone("resnet10").parameter_blocks()
    for depth, block in enumerate(reversed(blocks)):
        assert {rate_of[f"backbone.{name}"] for name in block} == {0.01 * 0.5**depth}
    assert rate_of["classifier.heads.heads.0.weight"] == 0.1
    assert len(rate_of) == len(list(network.parameters()))
    assert next(group["lr"] for group in made.param_groups if group["part"] == "backbone") == 0.01  # as the log says


# ---------------------------------------------------------------- losses


def logits_and_targets():
    logits = [torch.randn(6, size, generator=tiny.generator(size)) for size in tiny.SIZES]
    return logits, torch.tensor([[0, 0], [0, 1], [1, 2], [1, 3], [0, -1], [-1, -1]])


def test_smoothed_targets_are_partly_those_of_all_labels():
    logits, targets = logits_and_targets()
    expected = 0.0
    for level, column in zip(logits, targets.T, strict=True):
        known = column >= 0
        logs = log_softmax(level[known], 1)
        own = -logs.gather(1, column[known, None])[:, 0]
        expected += (0.8 * own + 0.2 * -logs.mean(1)).sum() / len(targets)
    torch.testing.assert_close(multi_level_loss(logits, targets, objective=Objective(smoothing=0.2)), expected)


def test_priors_are_added_to_the_logits_of_every_level():
    logits, targets = logits_and_targets()
    priors = label_priors(tiny.SIZES, targets, 2.0)
    torch.testing.assert_close(priors[0], 2 * torch.tensor([3 / 5, 2 / 5]).log())
    torch.testing.assert_close(priors[1], 2 * torch.full((4,), 1 / 4).log())
    shifted = [level + prior for level, prior in zip(logits, priors, strict=True)]
    found = multi_level_loss(logits, targets, objective=Objective(priors=priors))
    torch.testing.assert_close(found, multi_level_loss(shifted, targets))


def test_a_label_without_images_has_a_prior_all_the_same():
    (prior,) = label_priors([3], torch.tensor([[0], [0], [1]]), 1.0)
    torch.testing.assert_close(prior, torch.tensor([2 / 4, 1 / 4, 1 / 4]).log())


def test_with_priors_a_rare_label_is_asked_for_more():
    """Logits that say the prior and no more are as good as none: the loss is that of the prior itself."""
    targets = torch.tensor([[0]] * 9 + [[1]])
    priors = label_priors([2], targets, 1.0)
    flat = [torch.zeros(10, 2, requires_grad=True)]
    multi_level_loss(flat, targets, objective=Objective(priors=priors)).backward()
    assert flat[0].grad.sum(0).abs().max() < 1e-6  # the mean is right already: nothing pushes towards the common label
    expected = cross_entropy(priors[0].expand(10, 2), targets[:, 0])
    torch.testing.assert_close(multi_level_loss(flat, targets, objective=Objective(priors=priors)), expected)


# ---------------------------------------------------------------- which images


def test_balanced_classes_are_drawn_alike_and_unknown_ones_as_often_as_they_come():
    labels = torch.tensor([0] * 900 + [1] * 90 + [3] * 10 + [-1] * 500)
    plan = plan_epoch(len(labels), 0, batch_size=len(labels), weights=class_weights(labels))
    drawn = labels[plan.indices.flatten()]
    counts = [int((drawn == label).sum()) for label in (0, 1, 3, -1)]
    assert counts[:3] == pytest.approx([333] * 3, abs=60)
    assert counts[3] == pytest.approx(500, abs=70)


def test_the_draw_is_decided_by_the_seed_and_shared_by_processes():
    labels = torch.tensor([0] * 30 + [1] * 2)
    one, same, other = (plan_epoch(32, seed, batch_size=8, weights=class_weights(labels)) for seed in (1, 1, 2))
    assert torch.equal(one.indices, same.indices)
    assert not torch.equal(one.indices, other.indices)


def test_where_no_class_is_known_all_images_weigh_alike():
    assert class_weights(torch.full((4,), -1)).tolist() == [1.0] * 4


def test_resized_crops_keep_at_least_their_area():
    window = draw_params(Recipe("resized", crop_area=0.4), 500, 64, tiny.generator()).window
    shares = (window[:, 2] * window[:, 3]).double() / 64**2
    assert shares.min() > 0.38  # sides are whole pixels
    assert shares.max() > 0.95


# ---------------------------------------------------------------- whole runs


ALL = (
    "--balance", "--logit-adjustment", 1, "--label-smoothing", 0.1, "--layer-decay", 0.8, "--crop", "resized",
    "--crop-area", 0.4, "--heads-first", 1, "--ema", 0.9,
)  # fmt: skip


def test_all_of_it_together_is_stopped_and_resumed_to_the_bit(hiertrain, patches, tmp_path):
    import signal

    from runs import differences, signals

    from trainer.training.learner import Learner

    whole, run = tmp_path / "whole", tmp_path / "run"
    assert hiertrain(*patches.options(*ALL, "--out", whole, epochs=3)).code == 0
    with signals(Learner, "finish_step", at=5, number=signal.SIGTERM):
        assert hiertrain(*patches.options(*ALL, "--out", run, epochs=3)).code == 128 + signal.SIGTERM
    assert hiertrain("--resume", run).code == 0
    assert differences(run, whole) == []


def test_shards_that_are_read_in_their_order_are_not_balanced(hiertrain, patches, tmp_path):
    from shards import WRITERS

    root = WRITERS["webdataset"](tmp_path / "shards")
    words = patches.options("--balance", "--cache", "off", "--data", root, "--out", tmp_path / "run")
    assert "balance draws images at random, and shards are read in their order" in hiertrain(*words).error()
