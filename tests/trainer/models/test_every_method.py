"""What holds of every method: it learns by heart, takes mixed images and unknown labels, and answers as it says."""

import pytest
import tiny
import torch
from torch.nn.functional import cross_entropy

from taxonomy import HiertaxError
from trainer.config import METHODS
from trainer.data.inputs import ArrayInputs
from trainer.data.samples import Samples
from trainer.inference.decoding import top_labels
from trainer.inference.forward import count_right, predict_logits
from trainer.models.heads import FinestHead, Levels
from trainer.models.losses import PLAIN, Objective, multi_level_loss
from trainer.models.methods import build_network
from trainer.training.epoch import plan_epoch, train_epoch

TREE = (2, 4, 8)


def images_of_noise(count=16):
    """Images of noise, two of each of eight labels: there is nothing to learn but each image itself."""
    noise = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=tiny.generator(4))
    labels = torch.arange(count) % TREE[-1]
    return Samples(ArrayInputs(noise), torch.from_numpy(tiny.paths(TREE))[labels])


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_16_images_by_heart(method):
    samples, network = images_of_noise(), tiny.of_stages(method, sizes=TREE, width=48)
    learner = tiny.learner(network, levels=3, learning_rate=0.05, backbone_learning_rate=0.05, epochs=80)
    right = torch.zeros(3)
    while learner.epoch < 80 and right.min() < 16:
        plan = plan_epoch(16, learner.epoch, batch_size=8, draw=tiny.unchanged_images(16))
        train_epoch(learner, samples, plan, tiny.CPU, seed=learner.epoch)
        learner.finish_epoch()
        if learner.epoch % 4 == 0:
            right, _, _ = count_right(network, samples, batch_size=16, compute=tiny.CPU)
    assert right.tolist() == [16, 16, 16]


# Methods of the finest level alone


def test_a_coarser_label_scores_what_the_best_below_it_scores():
    head = FinestHead(2, Levels((2, 3, 5), tiny.paths((2, 3, 5))))
    order, family, species = head.at_all_levels(torch.tensor([[0.0, -1.0, 5.0, 7.0, 2.0]]))
    assert order.tolist() == [[7.0, 2.0]]
    assert family.tolist() == [[0.0, 7.0, 2.0]]
    assert species.tolist() == [[0.0, -1.0, 5.0, 7.0, 2.0]]


@pytest.mark.parametrize("method", tiny.FINEST_ONLY)
@pytest.mark.parametrize("sizes", [(5,), (2, 4), (2, 3, 5, 9)])
@tiny.each_dtype
def test_methods_of_the_finest_level_answer_coarser_ones_by_what_stands_above(method, sizes, dtype):
    network = tiny.of_stages(method, sizes=sizes)
    inputs = ArrayInputs(torch.randint(0, 256, (9, 3, 32, 32), dtype=torch.uint8, generator=tiny.generator()))
    labels = top_labels(predict_logits(network, inputs, batch_size=4, compute=tiny.on_cpu(dtype)))
    assert torch.equal(labels, torch.from_numpy(tiny.paths(sizes))[labels[:, -1]])


@pytest.mark.parametrize("method", tiny.FINEST_ONLY)
def test_they_do_not_learn_from_coarser_labels(method):
    """Nor from what these say where the finest is unknown, unless they are asked to."""
    network, (images, _) = tiny.of_stages(method).eval(), tiny.batch()
    for step in network.training_steps():
        losses = []
        for coarse in (0, 1, -1):
            torch.manual_seed(0)
            targets = torch.stack([torch.full((8,), coarse), torch.arange(8) % 4], dim=1)
            losses.append(step(images, targets, None, PLAIN)[0].item())
        assert losses[0] == losses[1] == losses[2]


@pytest.mark.parametrize("method", METHODS)
def test_an_image_of_which_nothing_is_known_teaches_no_head(method):
    network, (images, targets) = tiny.of_stages(method).eval(), tiny.batch()
    for step in network.training_steps():
        torch.manual_seed(0)
        loss, hits = step(images, torch.full_like(targets, -1), None, PLAIN)
        loss.backward()
        assert hits.tolist() == [0, 0]
    heads = [p for name, p in network.named_parameters() if ".heads.heads." in name]
    assert heads
    assert all(p.grad.count_nonzero() == 0 for p in heads)


def test_a_label_above_all_is_what_a_finest_head_answers_for():
    """With `marginal`, of an image known to its coarser level only, it is asked for one of the labels below."""
    network, (images, _) = tiny.of_stages("ft").eval(), tiny.batch()
    ancestors = (torch.tensor([[0, 1]]), torch.tensor([[0, 0, 1, 1], [0, 1, 2, 3]]))
    targets = torch.tensor([[0, -1], [1, -1]] * 4)
    loss, _ = network.training_steps()[0](images, targets, None, Objective(ancestors))
    chance = network(images)[-1].softmax(1)
    below = torch.stack([chance[:, :2].sum(1), chance[:, 2:].sum(1)], dim=1)
    torch.testing.assert_close(loss, cross_entropy(below.log(), targets[:, 0]))


def test_the_finest_level_alone_may_count():
    logits, y = [torch.randn(4, size) for size in (2, 3)], torch.tensor([[0, 0], [1, 2], [0, 1], [1, -1]])
    expected = cross_entropy(logits[1], y[:, 1], ignore_index=-1, reduction="sum") / 4
    torch.testing.assert_close(multi_level_loss(logits, y, finest_only=True), expected)


def test_a_head_of_the_finest_level_needs_to_know_the_tree():
    with pytest.raises(ValueError, match="needs to know which labels stand above"):
        build_network("ft", "resnet10", (2, 4))
    build_network("ft", "resnet10", (4,))  # of one level there is nothing above


# What methods say of themselves


@pytest.mark.parametrize("method", METHODS)
def test_methods_that_look_at_images_refuse_features(method):
    if method in tiny.FREEZABLE:
        assert tiny.build(method, frozen=True).can_freeze
        return
    with pytest.raises(HiertaxError) as caught:
        tiny.build(method, frozen=True)
    assert str(caught.value) == (
        f"`freeze_backbone`: {method} learns from views of the images, not from features computed once; leave it out"
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sizes", [(5,), (2, 3, 5, 9)])
def test_any_number_of_levels(method, sizes):
    network = tiny.of_stages(method, sizes=sizes)
    images, targets = torch.randn(4, 3, 32, 32), torch.from_numpy(tiny.paths(sizes))[:4]
    for step in network.training_steps():
        loss, hits = step(images, targets, None, PLAIN)
        loss.backward()
        assert hits.shape == (len(sizes),)
    assert [z.shape for z in network.eval()(images)] == [(4, size) for size in sizes]


@pytest.mark.parametrize("method", METHODS)
def test_mixed_images_count_by_their_shares(method):
    """Of wholly own images the loss is the plain one."""
    network, (images, targets) = tiny.of_stages(method).eval(), tiny.batch()
    for step in network.training_steps():
        losses = []
        for share in (None, torch.ones(8), torch.full((8,), 0.5)):
            torch.manual_seed(0)
            losses.append(step(images, targets, share, PLAIN)[0].item())
        assert losses[1] == pytest.approx(losses[0], rel=1e-5)
        assert losses[2] != losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("size", [224, 448])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_and_answers_at_224_and_448_px(method, size):
    with tiny.narrow_stages():
        network = tiny.build(method, (2, 4), "shufflenet_v2_x0_5", image_size=size)
    images, targets = torch.randn(2, 3, size, size), torch.tensor([[0, 1], [1, 3]])
    for step in network.train().training_steps():
        loss, _ = step(images, targets, None, PLAIN)
        loss.backward()
        assert loss.isfinite()
    with torch.inference_mode():
        assert [z.shape for z in network.eval()(images)] == [(2, 2), (2, 4)]
