"""The mutual-channel loss: whose channels are whose, what they say, how far apart they look."""

from dataclasses import replace

import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from taxonomy import HiertaxError
from trainer.models.channels import ChannelOptions, channel_groups, class_scores, class_spread, draw_kept
from trainer.models.losses import PLAIN, multi_level_loss

TWO_CLASSES = ((2, 2),)
CPU = torch.device("cpu")


def example():
    """Two classes of two channels each over four pixels: those of class 0 peak apart, those of class 1 together."""
    maps = torch.zeros(1, 4, 2, 2)
    maps[0, 0, 0, 0] = maps[0, 1, 1, 1] = 1
    maps[0, 2:, 0, 1] = 2
    return maps


def test_the_worked_example():
    assert (2 * class_spread(example(), TWO_CLASSES))[0].tolist() == pytest.approx([1.3005, 1.0], abs=1e-4)
    assert (1 - class_spread(example(), TWO_CLASSES)).mean().item() == pytest.approx(0.42488, abs=1e-5)
    scores = class_scores(example(), TWO_CLASSES)
    assert scores.tolist() == [[0.5, 0.5]]
    for label in (0, 1):
        assert cross_entropy(scores, torch.tensor([label])).item() == pytest.approx(0.69315, abs=1e-5)
    masked = class_scores(example(), TWO_CLASSES, torch.tensor([True, False, False, True]))
    assert masked.tolist() == [[0.25, 0.5]]
    assert cross_entropy(masked, torch.tensor([0])).item() == pytest.approx(0.82594, abs=1e-5)


@pytest.mark.parametrize(
    ("channels", "classes", "groups"),
    [
        (600, 200, ((200, 3),)),
        (2048, 200, ((152, 10), (48, 11))),
        (2048, 196, ((108, 10), (88, 11))),
        (2048, 100, ((52, 20), (48, 21))),
        (512, 200, ((88, 2), (112, 3))),
        (512, 196, ((76, 2), (120, 3))),
        (512, 100, ((88, 5), (12, 6))),
    ],
)
def test_channels_are_dealt_as_published(channels, classes, groups):
    assert channel_groups(channels, classes) == groups


@given(st.integers(1, 60), st.integers(2, 9), st.integers(0, 59), st.floats(0, 0.99))
def test_of_every_class_the_same_share_of_channels_is_left_out(classes, share, rest, drop):
    groups = channel_groups(classes * share + rest % classes, classes)
    assert sum(count for count, _ in groups) == classes
    kept = draw_kept(groups, drop, CPU)
    for part, (count, size) in zip(kept.split([count * size for count, size in groups]), groups, strict=True):
        assert (part.view(count, size).sum(1) == size - int(drop * size + 1e-9)).all()


@pytest.mark.parametrize(("size", "kept"), [(3, 2), (10, 6), (11, 7)])
def test_by_default_four_of_ten_or_eleven_channels_are_left_out_and_one_of_three(size, kept):
    assert draw_kept(((1, size),), ChannelOptions().drop, CPU).sum() == kept


def test_which_channels_are_left_out_is_drawn_for_each_class_and_step():
    torch.manual_seed(0)
    groups = ((50, 10),)
    first, second = (draw_kept(groups, 0.4, CPU).view(50, 10) for _ in range(2))
    assert not torch.equal(first, second)
    assert len({tuple(row.tolist()) for row in first}) > 30
    often = torch.stack([draw_kept(groups, 0.4, CPU).view(50, 10) for _ in range(40)]).float().mean((0, 1))
    assert often.numpy() == pytest.approx(0.6, abs=0.05)


@given(st.integers(2, 5), st.integers(0, 4), st.integers(1, 4), st.integers(0, 2**31))
def test_spread_is_between_that_of_equal_channels_and_one(size, rest, side, seed):
    maps = torch.randn(2, 5 * size + rest, side, side, generator=torch.Generator().manual_seed(seed)) * 4
    groups = channel_groups(maps.shape[1], 5)
    sizes = torch.cat([torch.full((count,), float(each)) for count, each in groups])
    spread = class_spread(maps, groups)
    assert spread.shape == (2, 5)
    assert (spread <= 1 + 1e-5).all()
    assert (spread >= 1 / sizes - 1e-5).all()


def test_classes_of_unequal_size_are_taken_one_by_one():
    """As a loop over the classes would."""
    maps, groups = torch.randn(3, 11, 4, 4, generator=tiny.generator()), channel_groups(11, 4)  # 2 3 3 3
    assert groups == ((1, 2), (3, 3))
    for i, own in enumerate(maps.split([2, 3, 3, 3], dim=1)):
        torch.testing.assert_close(class_scores(maps, groups)[:, i], own.amax(1).mean((1, 2)))
        peak = own.flatten(2).softmax(2).amax(1).sum(1)
        torch.testing.assert_close(class_spread(maps, groups)[:, i], peak / own.shape[1])


def loss_of(network, **settings):
    torch.manual_seed(3)
    network.options = replace(network.options, **settings)
    images, targets = tiny.batch()
    (step,) = network.training_steps()
    return step(images, targets, None, PLAIN)[0].item()


@pytest.mark.parametrize("method", ["mc", "ours_mc"])
def test_the_loss_is_that_of_the_heads_and_of_the_channels_by_their_weights(method):
    network, (images, targets) = tiny.of_stages(method).train(), tiny.batch()
    plain = multi_level_loss(network(images), targets, finest_only=method == "mc").item()
    assert loss_of(network, weight=0.0) == pytest.approx(plain, rel=1e-6)
    told = loss_of(network, weight=1.0, diversity=0.0) - plain
    alike = (loss_of(network, weight=1.0, diversity=10.0) - plain - told) / 10
    maps, (groups,) = network.backbone(images), network.groups
    torch.manual_seed(3)
    scores = class_scores(maps, groups, draw_kept(groups, 0.4, CPU))
    assert told == pytest.approx(cross_entropy(scores, targets[:, -1]).item(), rel=1e-4)
    assert alike == pytest.approx((1 - class_spread(maps, groups)).mean().item(), rel=1e-3)


def test_by_default_it_weighs_as_for_pretrained_networks():
    assert ChannelOptions() == ChannelOptions(weight=0.0005, diversity=10.0, drop=0.4)


def test_channels_may_belong_to_labels_of_every_level():
    network = tiny.build("ours_mc", (2, 3, 5), options="levels=all,weight=1")
    assert [sum(count for count, _ in groups) for groups in network.groups] == [2, 3, 5]
    assert len(tiny.build("ours_mc", (2, 3, 5)).groups) == 1
    (step,) = network.training_steps()
    loss, hits = step(torch.randn(4, 3, 64, 64), torch.zeros(4, 3, dtype=torch.int64), None, PLAIN)
    assert loss.isfinite()
    assert hits.shape == (3,)


def test_it_sends_gradient_to_the_map_past_the_heads():
    network, (images, targets) = tiny.of_stages("ours_mc"), tiny.batch()
    for parameter in network.classifier.parameters():
        parameter.data.zero_()
    network.options = replace(network.options, weight=1.0)
    network.training_steps()[0](images, targets, None, PLAIN)[0].backward()
    assert network.backbone.stages[-1][0].weight.grad.abs().sum() > 0


def test_too_few_channels_for_so_many_labels_is_one_line():
    with pytest.raises(HiertaxError) as caught:
        tiny.build("mc", (3, 300))
    assert str(caught.value) == (
        "`backbone` resnet10: its last map has 512 channels, and the mutual-channel loss needs two or more for each of "
        "300 labels; try resnet50, which has 2048, or another `method`"
    )
