"""The recipe of training and the honesty of prediction: every test image, once, in its order."""

from dataclasses import replace
from itertools import chain
from math import log

import pytest
import torch
from torch.nn.functional import cross_entropy

from trainer.config import METHODS, Config
from trainer.engine import (
    Samples,
    embed,
    make_optimizer,
    multi_level_loss,
    predict_logits,
    set_learning_rate,
    top_labels,
    train_epoch,
)
from trainer.methods import build_network

CPU = torch.device("cpu")
CONFIG = Config(hierarchy="none.json", data="none", backbone="resnet10", weights="none")
SIZES = (2, 4)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def network(method="ours", *, frozen=False, sizes=SIZES):
    torch.manual_seed(0)
    return build_network(method, "resnet10", sizes, frozen=frozen)


def feature_samples(count=40):
    """Pooled features that tell the finest label, and its parent, plainly."""
    fine = torch.arange(count) % 4
    inputs = torch.randn(count, 512, generator=generator(1))
    inputs[torch.arange(count), fine] += 6
    return Samples(inputs, torch.stack([fine // 2, fine], dim=1))


def image_samples(count=6):
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator(2))
    fine = torch.arange(count) % 4
    return Samples(images, torch.stack([fine // 2, fine], dim=1))


def state(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[key], b[key]) for key in a)


def run_epoch(net, samples, *, seed=0, config=CONFIG, optimizer=None, **options):
    optimizer = optimizer or make_optimizer(net, config)
    options = {"batch_size": config.batch_size, "device": CPU, "generator": generator(seed)} | options
    return train_epoch(net, samples, optimizer, **options)


# ---------------------------------------------------------------- the recipe


def test_the_defaults_are_the_recipe_of_the_paper_and_its_code():
    assert (CONFIG.epochs, CONFIG.batch_size, CONFIG.image_size) == (100, 64, 224)
    assert (CONFIG.learning_rate, CONFIG.backbone_learning_rate) == (0.1, 0.01)
    assert (CONFIG.momentum, CONFIG.weight_decay) == (0.9, 5e-4)


@pytest.mark.parametrize(("epoch", "rate"), [(0, 0.1), (50, 0.05), (99, 2.467e-5)])
def test_learning_rates_fall_along_half_a_cosine_the_backbones_at_a_tenth(epoch, rate):
    optimizer = make_optimizer(network(), CONFIG)
    set_learning_rate(optimizer, epoch, 100)
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates == pytest.approx([rate, rate / 10], rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_every_parameter_is_optimised_once_and_the_backbone_at_its_own_rate(method):
    net = network(method)
    optimizer = make_optimizer(net, replace(CONFIG, learning_rate=0.3, backbone_learning_rate=0.2))
    rate = {id(p): group["peak"] for group in optimizer.param_groups for p in group["params"]}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(net.parameters())) == len(rate)
    for name, parameter in net.named_parameters():
        assert rate[id(parameter)] == (0.2 if name.startswith("backbone") else 0.3)


@pytest.mark.parametrize("method", METHODS)
def test_of_a_frozen_backbone_nothing_is_optimised(method):
    net = network(method, frozen=True)
    (group,) = make_optimizer(net, CONFIG).param_groups
    names = [name for name, p in net.named_parameters() if any(p is q for q in group["params"])]
    assert names == [name for name, _ in net.named_parameters() if not name.startswith("backbone")]


def test_momentum_and_weight_decay_go_to_everything():
    for group in make_optimizer(network(), CONFIG).param_groups:
        assert (group["momentum"], group["weight_decay"], group["nesterov"]) == (0.9, 5e-4, False)


def test_the_loss_is_the_sum_over_levels_of_the_cross_entropy():
    logits, y = [torch.randn(6, 3), torch.randn(6, 7)], torch.stack([torch.arange(6) % 3, torch.arange(6)], dim=1)
    expected = cross_entropy(logits[0], y[:, 0]) + cross_entropy(logits[1], y[:, 1])
    torch.testing.assert_close(multi_level_loss(logits, y), expected)


def test_the_loss_of_knowing_nothing_is_the_sum_of_log_sizes():
    logits = [torch.zeros(2, size) for size in (13, 38, 200)]
    loss = multi_level_loss(logits, torch.zeros(2, 3, dtype=torch.int64))
    assert loss.item() == pytest.approx(log(13) + log(38) + log(200))


# ---------------------------------------------------------------- one epoch


def seen_in_an_epoch(count, batch_size, seed=0):
    """The samples of each batch, told apart by their only feature."""
    samples = Samples(torch.arange(count, dtype=torch.float32).unsqueeze(1), torch.zeros(count, 1, dtype=torch.int64))
    batches = []

    class Spy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1, 2))

        def classify(self, inputs):
            batches.append([int(x) for x in inputs[:, 0]])
            return [inputs @ self.weight]

    steps = []
    run_epoch(Spy(), samples, seed=seed, batch_size=batch_size, on_batch=steps.append)
    assert steps == [len(batch) for batch in batches]
    return batches


def test_an_epoch_shows_every_sample_once_in_whole_batches():
    batches = seen_in_an_epoch(12, 4)
    assert [len(batch) for batch in batches] == [4, 4, 4]
    assert sorted(chain(*batches)) == list(range(12))


def test_training_drops_the_last_part_of_a_batch():
    batches = seen_in_an_epoch(13, 4)
    assert [len(batch) for batch in batches] == [4, 4, 4]
    assert len(set(chain(*batches))) == 12


def test_fewer_samples_than_a_batch_are_one_batch():
    assert [sorted(batch) for batch in seen_in_an_epoch(3, 64)] == [[0, 1, 2]]


def test_the_order_comes_from_the_generator():
    assert seen_in_an_epoch(20, 5, seed=1) == seen_in_an_epoch(20, 5, seed=1)
    assert seen_in_an_epoch(20, 5, seed=1) != seen_in_an_epoch(20, 5, seed=2)


@pytest.mark.parametrize("samples", [feature_samples(), image_samples()], ids=["features", "images"])
def test_the_same_seed_trains_the_same_network_bit_for_bit(samples):
    trained = []
    for seed in (0, 0, 1):
        net = network()
        run_epoch(net, samples, seed=seed, batch_size=3)
        trained.append(state(net))
    assert same(trained[0], trained[1])
    assert not same(trained[0], trained[2])


@pytest.mark.parametrize("method", METHODS)
def test_a_few_epochs_learn_what_is_plain_to_see(method):
    net, samples = network(method, frozen=True), feature_samples()
    optimizer = make_optimizer(net, CONFIG)
    results = [run_epoch(net, samples, seed=epoch, batch_size=20, optimizer=optimizer) for epoch in range(8)]
    assert results[-1].loss < results[0].loss / 3
    assert min(results[-1].accuracy) > 0.9
    logits = predict_logits(net, samples.inputs, batch_size=64, device=CPU)
    assert (top_labels(logits) == samples.targets).float().mean() > 0.95


def test_the_result_of_an_epoch_is_the_mean_over_its_samples():
    net, samples = network(frozen=True), feature_samples(8)
    still = replace(CONFIG, learning_rate=0.0, weight_decay=0.0)
    result = run_epoch(net, samples, config=still, batch_size=8)
    logits = net.train().classify(samples.inputs)  # nothing was learned; one batch, so its statistics are the same
    assert result.loss == pytest.approx(multi_level_loss(logits, samples.targets).item(), abs=1e-5)
    expected = (top_labels(logits) == samples.targets).float().mean(0).tolist()
    assert list(result.accuracy) == pytest.approx(expected)


def test_training_on_features_leaves_a_frozen_backbone_untouched_buffers_included():
    net = network(frozen=True)
    before = state(net.backbone)
    run_epoch(net, feature_samples())
    assert same(before, state(net.backbone))


def test_training_on_images_moves_backbone_and_heads():
    net = network()
    before = state(net)
    run_epoch(net, image_samples(), batch_size=3)
    assert all(not torch.equal(before[name], parameter) for name, parameter in net.named_parameters())


# ---------------------------------------------------------------- prediction


def test_prediction_covers_every_image_in_its_order_whatever_the_batch():
    net, images = network(), image_samples(7).inputs
    whole = predict_logits(net, images, batch_size=7, device=CPU)
    assert [z.shape for z in whole] == [(7, 2), (7, 4)]
    for batch_size in (1, 3, 64):  # 7 is no multiple of 3: nothing may be dropped
        for a, b in zip(whole, predict_logits(net, images, batch_size=batch_size, device=CPU), strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_prediction_changes_nothing():
    net = network()
    before = state(net)
    predict_logits(net.train(), image_samples().inputs, batch_size=4, device=CPU)
    assert same(before, state(net))


@pytest.mark.parametrize("method", METHODS)
def test_classifying_features_is_predicting_from_images(method):
    net, images = network(method, frozen=True), image_samples(5).inputs
    steps = []
    features = embed(net, images, batch_size=2, device=CPU, on_batch=steps.append)
    assert (features.shape, steps) == ((5, 512), [2, 2, 1])
    from_features = predict_logits(net, features, batch_size=5, device=CPU)
    for a, b in zip(from_features, predict_logits(net, images, batch_size=5, device=CPU), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_top_labels_are_each_heads_own_choice():
    logits = [torch.tensor([[0.0, 1.0], [2.0, 1.0]]), torch.tensor([[0.0, 1.0, 3.0], [5.0, 1.0, 2.0]])]
    assert top_labels(logits).tolist() == [[1, 2], [0, 0]]
