"""Grad-CAM per level: the facts that it must show, on numbers small enough to compute by hand."""

import numpy as np
import pytest
import torch
from tiny import FINEST_ONLY, FREEZABLE
from torch import nn

from taxonomy import HiertaxError
from trainer.config import METHODS, Config
from trainer.explanation.gradcam import GradCam, twin
from trainer.models.backbones.interface import Backbone
from trainer.models.heads import DisentangledHeads
from trainer.models.methods import build_network
from trainer.models.network import Look, Network, Seen
from trainer.runtime.device import choose

CPU = choose(Config(device="cpu"))
SIZE = 64


class Given(Backbone):
    """A backbone whose map is the image's first two channels."""

    name, widths = "given", (2,)

    def maps(self, images):
        return [images[:, :2]]


class ByHand(Network):
    """A network whose heads stand right on the pooled map."""

    def __init__(self, heads, pool="avg"):
        super().__init__()
        self.backbone, self.heads = Given().pool_by(pool), heads

    def trunks(self):
        return (self.backbone,)

    def embed(self, images):
        return self.backbone.pooled(images)

    def classify(self, pooled):
        return self.heads(pooled)


class OneHead(nn.Module):
    """A linear head with two labels, of which the first has the weights given."""

    def __init__(self, weights):
        super().__init__()
        self.linear = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor([weights, [0.0, 0.0]]))

    def forward(self, pooled):
        return [self.linear(pooled)]


MAPS = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[4.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]])
FIRST = torch.tensor([[0]])


@pytest.mark.parametrize("pool", ["avg", "max"])
def test_maximum_and_average_pooling_give_the_same_map(pool):
    # Gradients are 0.25 w everywhere, or w at one place: their mean is (0.25, -0.125) for w = (1, -0.5).
    # The map is then [[0.25 - 0.5, 0.5], [0.75, 1.0]], cut at zero; its maximum is 1.
    found = GradCam(ByHand(OneHead([1.0, -0.5]), pool), CPU)(MAPS, FIRST)
    torch.testing.assert_close(found.maps[0, 0], torch.tensor([[0.0, 0.5], [0.75, 1.0]]))


def test_a_map_of_what_nothing_speaks_for_is_all_zeros_and_not_nan():
    found = GradCam(ByHand(OneHead([-1.0, -1.0])), CPU)(MAPS, FIRST)
    assert not found.maps.any()
    assert found.maps.isfinite().all()


def test_a_label_that_is_not_known_has_no_map():
    found = GradCam(ByHand(OneHead([1.0, 0.0])), CPU)(MAPS, torch.tensor([[-1]]))
    assert found.maps.isnan().all()


class TwoLooks(ByHand):
    """A network that reads two maps, each by a channel: the second is given, and of a box of the image if there is one.

    Neither the image's size nor its own is that of the second map.
    """

    def __init__(self, second, boxes=None):
        super().__init__(OneHead([1.0, 1.0]))
        self.second, self.boxes = second, boxes

    def see(self, images):
        def answer(maps):
            return self.heads(torch.cat([map_.mean((2, 3)) for map_ in maps], dim=1))

        return Seen([Look(images[:, :1]), Look(self.second, self.boxes)], answer)


def test_maps_of_several_sizes_count_alike_and_are_added_up_before_they_are_cut_at_zero():
    # Of either map alpha is 1, however many places it has: 1 2 3 4 and, enlarged, -2 everywhere.
    found = GradCam(TwoLooks(torch.full((1, 1, 1, 1), -2.0)), CPU)(MAPS, FIRST)
    torch.testing.assert_close(found.maps[0, 0], torch.tensor([[0.0, 0.0], [0.5, 1.0]]))
    assert found.parts.shape == (1, 0, 4)


def test_the_map_of_a_part_lies_in_its_box_and_beside_it_only_what_was_seen_of_the_whole():
    image, box = torch.zeros(1, 3, 8, 8), torch.tensor([[2.0, 4.0, 6.0, 12.0]])  # 4 px wide, half of it below the image
    image[:, 0, 0, 0] = 0.5
    part = torch.tensor([[[[1.0, 1.0], [-9.0, -9.0]]]])
    found = GradCam(TwoLooks(part, box), CPU)(image, FIRST)
    assert found.parts.tolist() == [[[2, 4, 6, 12]]]
    expected = torch.zeros(8, 8)
    expected[0, 0] = 0.5
    expected[4:6, 2:6] = 1  # the upper half of the part, to the middle of its first places
    torch.testing.assert_close(found.maps[0, 0, :6], expected[:6])
    assert not found.maps[0, 0, 6:, [0, 1, 6, 7]].any()


@pytest.mark.parametrize("method", METHODS)
def test_what_a_network_sees_is_all_that_it_answers_by(method, images):
    network = made(method)
    looks, answer = network.see(images)
    for logits, expected in zip(answer([look.map for look in looks]), network(images), strict=True):
        torch.testing.assert_close(logits, expected)
    counts = {"nts": 5, "pmg": 3, "multi": 3}
    assert len(looks) == counts.get(method.rpartition("_")[2], 1)


def reinforced():
    """Two levels, a unit of f each; the coarse head reads both channels, the first is its own."""
    heads = DisentangledHeads(2, [2, 2], reinforce=True)
    with torch.no_grad():
        for head in heads.heads:
            head.weight.zero_()
            head.bias.zero_()
            head.weight[0] = 1
    return ByHand(heads)


def test_with_gamma_as_trained_a_coarse_map_ignores_the_finer_features_that_the_head_reads():
    image = torch.zeros(1, 3, 4, 4)
    image[0, 0, 0, 0] = image[0, 1, 3, 3] = 1  # its own feature at the top left, the finer one at the bottom right
    both = torch.tensor([[0, 0]])
    network = reinforced()
    trained, off = GradCam(network, CPU)(image, both), GradCam(network, CPU, "off")(image, both)
    assert trained.maps[0, 0].nonzero().tolist() == [[0, 0]]
    assert off.maps[0, 0].nonzero().tolist() == [[0, 0], [3, 3]]
    assert trained.maps[0, 1].nonzero().tolist() == off.maps[0, 1].nonzero().tolist() == [[3, 3]]
    for one, other in zip(trained.logits, off.logits, strict=True):
        assert torch.equal(one, other)


@pytest.fixture(scope="module")
def images():
    return torch.rand(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


ANCESTORS = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [1, 2, 4]])


def made(method, backbone="shufflenet_v2_x0_5", **more):
    torch.manual_seed(0)
    network = build_network(method, backbone, (2, 3, 5), paths=ANCESTORS, image_size=SIZE, **more)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize(
    ("method", "frozen"),
    [*((method, False) for method in METHODS), *((method, True) for method in FREEZABLE)],
)
def test_every_method_has_a_map_for_every_level_and_answers_as_it_does(method, frozen, images):
    network = made(method, frozen=frozen)
    found = GradCam(network, CPU)(images)
    assert found.maps.shape == (3, 3, SIZE, SIZE)
    assert ((found.maps >= 0) & (found.maps <= 1)).all()
    if method not in FINEST_ONLY:  # of which one random map may speak against the only head's answer
        assert (found.maps.amax(dim=(2, 3)) == 1).any()
    for logits, expected in zip(found.logits, network(images), strict=True):
        torch.testing.assert_close(logits, expected)
    assert found.classes.tolist() == torch.stack([z.argmax(1) for z in network(images)], 1).tolist()


@pytest.mark.parametrize("method", METHODS)
def test_an_image_has_the_same_maps_alone_and_in_a_batch(method, images):
    cam = GradCam(made(method), CPU)
    torch.testing.assert_close(cam(images).maps[1:2], cam(images[1:2]).maps, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("method", [m for m in METHODS if m not in FINEST_ONLY])
def test_levels_differ_by_numbers(method, images):
    cam = GradCam(made(method), CPU)
    both = torch.stack([cam(images, torch.full((3, 3), label)).maps for label in (0, 1)])  # one of which is not empty
    assert (both[:, :, 0] - both[:, :, -1]).abs().mean() > 0.01


@pytest.mark.parametrize("method", [m for m in METHODS if not m.startswith("ours") or m == "ours_single"])
def test_gamma_changes_nothing_where_no_head_reads_finer_features(method, images):
    network = made(method)
    assert torch.equal(GradCam(network, CPU)(images).maps, GradCam(network, CPU, "off")(images).maps)


def test_gamma_off_changes_all_maps_but_that_of_the_finest_level(images):
    network = made("ours")
    trained, off = GradCam(network, CPU)(images).maps, GradCam(network, CPU, "off")(images).maps
    assert [torch.equal(trained[:, k], off[:, k]) for k in range(3)] == [False, False, True]


def test_explaining_leaves_the_network_as_it_is(images):
    network = made("ours")
    before = network(images)
    GradCam(network, CPU, "off")(images)
    assert all(torch.equal(one, other) for one, other in zip(before, network(images), strict=True))
    assert not any(module._forward_hooks for module in network.modules())
    assert network.classifier.heads.gamma.stops
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_twin_has_modules_of_its_own_over_the_same_tensors():
    network = made("ours")
    copy = twin(network)
    assert copy is not network
    assert copy.backbone is not network.backbone
    for one, other in zip(network.state_dict().values(), copy.state_dict().values(), strict=True):
        assert one.data_ptr() == other.data_ptr()


@pytest.mark.parametrize("pool", ["max", "avg", "gem"])
def test_tokens_are_a_map_as_any_other(pool):
    pytest.importorskip("timm")
    network = build_network("ours", "timm/vit_tiny_patch16_224", (2, 3), image_size=32, pool=pool).eval()
    found = GradCam(network, CPU)(torch.rand(2, 3, 32, 32))
    assert found.maps.shape == (2, 2, 32, 32)
    assert found.maps.any()


def test_a_head_that_reads_a_class_token_has_no_map():
    network = build_network("ours", "vit_b_16", (2, 3), image_size=32, pool="token").eval()
    with pytest.raises(HiertaxError, match=r"vit_b_16: with `pool` token a head reads no map.*`pool` avg or max"):
        GradCam(network, CPU)(torch.rand(1, 3, 32, 32))


def test_another_gamma_is_refused():
    with pytest.raises(HiertaxError, match="gamma 'on': choose one of as-trained, off"):
        GradCam(made("ours"), CPU, "on")


def test_captum_finds_the_same(images):
    attr = pytest.importorskip("captum.attr")
    network = made("ours").requires_grad_(True)
    found = GradCam(network, CPU)(images)
    for k in range(3):
        peer = attr.LayerGradCam(lambda x, k=k: network(x)[k], network.backbone)
        small = peer.attribute(images, target=found.classes[:, k], relu_attributions=True)
        large = attr.LayerAttribution.interpolate(small, (SIZE, SIZE), "bilinear")[:, 0].detach()
        expected = large / large.amax(dim=(1, 2), keepdim=True).clamp(min=1e-30)
        torch.testing.assert_close(found.maps[:, k], expected, atol=1e-4, rtol=1e-3)
