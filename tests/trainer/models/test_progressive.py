"""PMG: images in blocks that change places, and three stages that learn from them one after the other."""

from collections import Counter
from itertools import permutations

import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from taxonomy import HiertaxError
from trainer.models.backbones import build_backbone
from trainer.models.heads import SharedHeads
from trainer.models.jigsaw import jigsaw
from trainer.models.losses import PLAIN, multi_level_loss
from trainer.models.progressive import BLOCKS, StageBlock
from trainer.models.single import NeckOptions, build_classifier

CUB = (13, 38, 200)


def parameters(module):
    return sum(p.numel() for p in module.parameters())


# The jigsaw


@given(st.integers(8, 40), st.sampled_from(BLOCKS), st.integers(0, 2**31))
def test_blocks_change_places_and_nothing_else_does(size, blocks, seed):
    torch.manual_seed(seed)
    images = torch.arange(2 * 3 * size * size, dtype=torch.float32).view(2, 3, size, size)
    mixed, side = jigsaw(images, blocks), size // blocks
    inner = slice(0, blocks * side)

    def pieces(whole):
        return [
            whole[:, :, i * side : (i + 1) * side, j * side : (j + 1) * side]
            for i in range(blocks)
            for j in range(blocks)
        ]

    known = {piece[0, 0, 0, 0].item(): piece for piece in pieces(images)}
    found = pieces(mixed)
    assert sorted(piece[0, 0, 0, 0].item() for piece in found) == sorted(known)
    assert all(torch.equal(piece, known[piece[0, 0, 0, 0].item()]) for piece in found)  # of both images alike
    mixed[:, :, inner, inner] = images[:, :, inner, inner]
    assert torch.equal(mixed, images)  # what fills no block stayed


def test_every_order_of_the_blocks_is_equally_likely():
    """Which walking through the blocks and swapping each with the first is not."""
    torch.manual_seed(0)
    images, draws = torch.arange(4.0).view(1, 1, 2, 2).expand(1, 3, 2, 2), 4_800
    found = Counter(tuple(jigsaw(images, 2)[0, 0].flatten().int().tolist()) for _ in range(draws))
    assert set(found) == set(permutations(range(4)))
    expected = draws / 24
    chi_squared = sum((count - expected) ** 2 / expected for count in found.values())
    assert chi_squared < 49.7  # of 23 degrees of freedom, exceeded once in a thousand


def test_the_images_given_stay_as_they_are():
    images = torch.randn(2, 3, 33, 33, generator=tiny.generator())
    before = images.clone()
    jigsaw(images, 8)
    assert torch.equal(images, before)


# The network


def test_parameters_beside_the_backbone_are_those_published():
    with torch.device("meta"):
        network, backbone = tiny.build("pmg", CUB, "resnet50"), build_backbone("resnet50")
    assert parameters(network.blocks) == 16_000_000
    assert parameters(network.classifiers) + parameters(network.whole) == 3_574_560
    assert parameters(network) - parameters(backbone) == 19_574_560
    assert parameters(network) == 43_082_592


def test_parameters_of_the_papers_heads_on_each_classifier():
    with torch.device("meta"):
        network = tiny.build("ours_pmg", CUB, "resnet50")
    assert [parameters(classifier) for classifier in network.classifiers] == [681_499] * 3
    assert parameters(network.whole) == 1_914_395


@pytest.mark.parametrize(("width", "expected"), [(1024, 769_099), (3072, 2_001_995)])
def test_heads_that_share_all_of_f_would_have_more(width, expected):
    assert parameters(build_classifier(SharedHeads, width, CUB, NeckOptions())) == expected


@pytest.mark.parametrize("size", [224, 448])
def test_stages_have_the_maps_that_they_are_published_with(size):
    with torch.device("meta"):
        stages = build_backbone("resnet50").maps(torch.empty(1, 3, size, size))[-3:]
    assert [tuple(map_.shape[1:]) for map_ in stages] == [
        (width, size // by, size // by) for width, by in ((512, 8), (1024, 16), (2048, 32))
    ]


def test_convolutions_over_a_stage_are_as_published():
    one, norm, relu, three, *_ = StageBlock(64)
    assert (one.kernel_size, one.bias, three.kernel_size, three.bias) == ((1, 1), None, (3, 3), None)
    assert (norm.momentum, type(relu)) == (0.01, nn.ReLU)
    assert StageBlock(64)(torch.randn(2, 64, 7, 7)).shape == (2, 1024, 7, 7)


@pytest.mark.parametrize("method", ["pmg", "ours_pmg"])
def test_a_batch_is_four_steps_each_of_its_own_classifier_and_stages_up_to_its_own(method):
    torch.manual_seed(0)
    network, (images, targets) = tiny.build(method).train(), tiny.batch()
    steps = network.training_steps()
    assert len(steps) == 4
    for number, step in enumerate(steps):
        network.zero_grad(set_to_none=True)
        step(images, targets, None, PLAIN)[0].backward()
        moved = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
        last = number == len(steps) - 1
        assert any(name.startswith("whole.") for name in moved) is last
        for stage in range(3):
            assert any(name.startswith(f"classifiers.{stage}.") for name in moved) is (stage == number)
            assert any(name.startswith(f"blocks.{stage}.") for name in moved) is (stage == number or last)
        for layer in (3, 4):  # the first stage is that of layer2
            assert any(name.startswith(f"backbone.layer{layer}.") for name in moved) is (layer - 2 <= number)


def test_the_steps_see_blocks_of_an_eighth_a_quarter_a_half_and_then_the_whole_image(monkeypatch):
    seen = []
    monkeypatch.setattr("trainer.models.progressive.jigsaw", lambda images, n: seen.append(n) or images)
    network, (images, targets) = tiny.of_stages("ours_pmg"), tiny.batch()
    for step in network.training_steps():
        step(images, targets, None, PLAIN)
    assert seen == [8, 4, 2]


def test_the_whole_image_counts_twice():
    network, (images, targets) = tiny.of_stages("ours_pmg").eval(), tiny.batch()
    loss, _ = network.training_steps()[-1](images, targets, None, PLAIN)
    once = multi_level_loss(network.whole(network.embed(images)), targets)
    torch.testing.assert_close(loss, 2 * once)


@pytest.mark.parametrize("method", ["pmg", "ours_pmg"])
def test_answers_are_those_of_the_sum_of_all_four(method):
    network, (images, _) = tiny.of_stages(method).eval(), tiny.batch()
    with torch.no_grad():
        pooled = network.embed(images)
        parts = pooled.chunk(3, dim=1)
        finest = [c(part)[-1] for c, part in zip(network.classifiers, parts, strict=True)] + [network.whole(pooled)[-1]]
        assert torch.equal(network(images)[-1].argmax(1), sum(finest).argmax(1))


@pytest.mark.parametrize("backbone", ["vit_b_32"])
def test_a_network_of_fewer_stages_is_one_line_that_says_which_has_them(backbone):
    with pytest.raises(HiertaxError) as caught:
        tiny.build("pmg", backbone=backbone, image_size=32)
    assert str(caught.value) == "`backbone` vit_b_32: gives one feature map where 3 are needed; try resnet50"
