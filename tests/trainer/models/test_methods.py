"""Methods: the networks built from backbones, necks and heads."""

import re
from math import log
from pathlib import Path

import pytest
import tiny
import torch
from torch import nn

import trainer
from taxonomy import HiertaxError
from trainer.config import METHODS
from trainer.models.backbones import build_backbone
from trainer.models.losses import PLAIN, Objective, loss_and_hits, multi_level_loss
from trainer.models.methods import build_network

CUB, SMALL = (13, 38, 200), (2, 3, 5)


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def images(count=2, size=32):
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def test_every_method_that_can_be_asked_for_is_a_file_and_only_the_one_list_names_it():
    package = Path(trainer.__file__).parent
    sources = {path.relative_to(package): path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    assert {path.stem for path in sources if path.parent.name == "methods"} - {"__init__"} == set(METHODS)
    of_the_paper = {
        path for path in sources if re.search("reproduce|published", str(path))
    }  # whose tables have rows of these names
    for method in METHODS:
        assert [str(path) for path, text in sources.items() if path not in of_the_paper and f'"{method}"' in text] == [
            "config.py"
        ]


@pytest.mark.parametrize(
    ("method", "sizes", "expected"),
    [
        ("vanilla_single", CUB, 24_893_579),
        ("ours_single", CUB, 24_793_179),
        ("ours", CUB, 24_805_979),
        ("vanilla_multi", CUB, 73_815_483),
        ("ours", (200,), 24_664_840),  # the ordinary single-label network
    ],
)
def test_parameters_of_whole_networks_on_resnet50(method, sizes, expected):
    with torch.device("meta"):  # shapes without memory
        network = build_network(method, "resnet50", sizes)
    assert parameters(network) == expected


def test_the_price_of_reinforcement_is_the_finer_columns_of_the_coarse_heads():
    """Gamma, split and concatenation have no parameters; against the ordinary network there are more."""
    with torch.device("meta"):
        assert parameters(build_backbone("resnet50")) == 23_508_032
    assert 24_805_979 - 24_793_179 == 13 * 400 + 38 * 200
    assert 24_805_979 - 24_664_840 == 141_139


def test_hidden_widths_are_the_papers_512_for_one_label_and_600_for_several():
    with torch.device("meta"):
        assert build_network("ours", "resnet10", SMALL).classifier.neck[1].out_features == 600
        assert build_network("ours", "resnet10", (5,)).classifier.neck[1].out_features == 512
        multi = build_network("vanilla_multi", "resnet10", SMALL)
    assert [classifier.neck[1].out_features for classifier in multi.classifiers] == [512, 512, 512]


@pytest.fixture(scope="module", params=METHODS)
def network(request):
    torch.manual_seed(0)
    return tiny.build(request.param, SMALL)


@pytest.fixture(scope="module", params=tiny.FREEZABLE)
def plain_network(request):
    torch.manual_seed(0)
    return tiny.build(request.param, SMALL)


def test_a_network_answers_at_every_level_coarsest_first(network):
    assert [tuple(z.shape) for z in network.eval()(images(4))] == [(4, 2), (4, 3), (4, 5)]


def test_a_network_takes_images_of_any_size(network):
    with torch.no_grad():
        for size in (33, 48, 80):
            assert [z.shape[1] for z in network.eval()(images(2, size))] == [2, 3, 5]


def test_a_network_is_its_two_halves(network):
    network.eval()
    with torch.no_grad():
        for a, b in zip(network(images(3)), network.classify(network.embed(images(3))), strict=True):
            assert torch.equal(a, b)


def test_features_are_the_maxima_over_the_map(plain_network):
    network = plain_network.eval()
    with torch.no_grad():
        expected = [backbone(images(2, 64)).amax(dim=(2, 3)) for backbone in network.trunks()]
        torch.testing.assert_close(network.embed(images(2, 64)), torch.cat(expected, dim=1))


def test_in_evaluation_an_answer_depends_on_its_own_image_alone(network):
    network.eval()
    order = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        for a, b in zip(network(images(4)), network(images(4)[order]), strict=True):
            torch.testing.assert_close(a[order], b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_loss_at_the_start_with_zero_heads_is_the_sum_of_log_sizes(method):
    network = tiny.build(method, SMALL)
    for name, parameter in network.named_parameters():
        if ".heads.heads." in name:
            nn.init.zeros_(parameter)
    loss = multi_level_loss(network(images(4)), torch.tensor([[0, 0, 0], [1, 2, 4], [0, 1, 2], [1, 1, 1]]))
    assert loss.item() == pytest.approx(log(2) + log(3) + log(5), abs=1e-6)


@pytest.mark.parametrize("method", ["vanilla_single", "ours_single", "ours"])
@pytest.mark.parametrize("k", range(3))
def test_the_whole_backbone_learns_from_every_head(method, k):
    torch.manual_seed(0)
    network = build_network(method, "resnet10", SMALL)
    network(images(4, 64))[k].square().sum().backward()
    assert all(torch.count_nonzero(p.grad) > 0 for p in network.backbone.parameters())


@pytest.mark.parametrize("k", range(3))
def test_independent_networks_share_nothing(k):
    network = build_network("vanilla_multi", "resnet10", SMALL)
    network(images(4, 64))[k].square().sum().backward()
    for j in range(3):
        for part in (network.backbones[j], network.classifiers[j]):
            learns = [p.grad is not None and torch.count_nonzero(p.grad) > 0 for p in part.parameters()]
            assert all(learns) if j == k else not any(learns)


@pytest.mark.parametrize("method", tiny.FREEZABLE)
def test_a_frozen_backbone_is_one_and_asks_for_no_gradient(method):
    network = tiny.build(method, SMALL, frozen=True)
    backbones = network.trunks()
    assert len(backbones) == 1
    assert not any(p.requires_grad for p in backbones[0].parameters())
    assert network.embed(images(2)).shape == (2, 512)
    assert [z.shape[1] for z in network.eval()(images(2))] == [2, 3, 5]


def test_the_independent_networks_start_from_the_same_weights_file(tmp_path):
    trained = build_backbone("resnet10").state_dict()
    torch.save(trained, tmp_path / "w.pt")
    network = build_network("vanilla_multi", "resnet10", (2, 3), weights=str(tmp_path / "w.pt"))
    assert len(network.trunks()) == 2
    for backbone in network.trunks():
        assert all(torch.equal(tensor, trained[name]) for name, tensor in backbone.state_dict().items())


@pytest.mark.parametrize(("method", "count"), [(method, 3 if method == "vanilla_multi" else 1) for method in METHODS])
def test_only_independent_networks_have_more_than_one_backbone(method, count):
    assert len(tiny.build(method, SMALL).trunks()) == count


def test_the_same_seed_builds_the_same_network():
    def build():
        torch.manual_seed(5)
        return build_network("ours", "resnet10", SMALL).state_dict()

    first, second = build(), build()
    assert all(torch.equal(first[key], second[key]) for key in first)


# ---------------------------------------------------------------- what a method says of itself


@pytest.mark.parametrize("method", METHODS)
def test_the_finest_head_and_backbone_are_those_that_tell_the_leaves_apart(method):
    torch.manual_seed(0)
    network = tiny.build(method, SMALL).eval()
    assert network.finest_head().out_features == 5
    with torch.no_grad():
        before = network(images())
        network.finest_head().weight.zero_()
        network.finest_head().bias.zero_()
        after = network(images())
        assert [torch.equal(a, b) for a, b in zip(before, after, strict=True)] == [
            method not in tiny.FINEST_ONLY
        ] * 2 + [False]
        network.finest_backbone().conv1.weight.zero_()
        network.finest_head().weight.fill_(1)
        assert torch.equal(network(images())[-1][0], network(images())[-1][1])  # blind


def kept(step):
    """The bytes that a step keeps for its gradient."""
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.nbytes) or t, lambda t: t):
        step()
    return sum(sizes)


@pytest.mark.parametrize("objective", [PLAIN, Objective(weights=(1.0, 0.5, 2.0), smoothing=0.1)])
@pytest.mark.parametrize("share", [None, torch.tensor([0.3, 0.9, 1.0, 0.5])])
def test_networks_of_one_level_each_learn_one_after_the_other(objective, share):
    network = tiny.of_stages("vanilla_multi", sizes=SMALL).eval()
    batch = (torch.randn(4, 3, 32, 32), torch.from_numpy(tiny.paths(SMALL))[:4], share, objective)
    whole, hits = loss_and_hits(network, *batch)
    whole.backward()
    together = {name: p.grad.clone() for name, p in network.named_parameters()}
    found, steps = [], network.training_steps()
    for level, step in enumerate(steps):
        network.zero_grad(set_to_none=True)
        loss, right = step(*batch)
        loss.backward()
        found.append((loss, right))
        for name, parameter in network.named_parameters():
            own = name.split(".")[1] == str(level)
            assert (parameter.grad is not None) == own
            assert not own or torch.allclose(parameter.grad, together[name], atol=1e-7)
    assert len(steps) == 3
    torch.testing.assert_close(sum(loss for loss, _ in found), whole)
    assert torch.equal(sum(right for _, right in found), hits)
    assert not network.uses_all_parameters
    most = max(kept(lambda step=step: step(*batch)) for step in steps)
    assert most < kept(lambda: loss_and_hits(network, *batch)) / 2


def test_heads_that_come_first_learn_from_the_features_of_their_own_network():
    network = tiny.of_stages("vanilla_multi", sizes=SMALL).eval()
    images, targets = torch.randn(4, 3, 32, 32), torch.from_numpy(tiny.paths(SMALL))[:4]
    features = network.embed(images)
    for step in network.training_steps():
        torch.testing.assert_close(step(features, targets, None, PLAIN), step(images, targets, None, PLAIN))


@pytest.mark.parametrize("method", [method for method in tiny.FREEZABLE if method != "vanilla_multi"])
def test_a_plain_method_has_one_step_that_uses_everything(method):
    network = tiny.build(method, SMALL)
    (step,) = network.training_steps()
    loss, hits = step(images(4), torch.zeros(4, 3, dtype=torch.int64), None)
    loss.backward()
    assert hits.shape == (3,)
    assert network.uses_all_parameters
    assert all(p.grad is not None for p in network.parameters())


def test_a_method_whose_steps_look_at_images_cannot_learn_from_frozen_features(monkeypatch):
    def build(*_, **__):
        return tiny.TwoSteps()

    monkeypatch.setattr("trainer.models.methods.ours.build", build)
    with pytest.raises(HiertaxError) as caught:
        build_network("ours", "resnet10", SMALL, frozen=True)
    assert str(caught.value) == (
        "`freeze_backbone`: ours learns from views of the images, not from features computed once; leave it out"
    )


@pytest.mark.parametrize("method", [method for method in METHODS if method not in ("nts", "ft")])
def test_the_width_of_the_neck_is_an_option_of_the_method(method):
    with torch.device("meta"):
        network = tiny.build(method, SMALL, options="width=64")
    necks = {m.out_features for name, m in network.named_modules() if "neck" in name and isinstance(m, nn.Linear)}
    assert necks == {64}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("depth=3", "`method_options` depth: ours has no such option; it has width"),
        ("width=1", "`method_options` width=1: Expected `int` >= 2; correct `width`"),
        ("width = wide", "`method_options` width = wide: Expected `int | null`, got `str`; correct `width`"),
        ("width=2", "`method_options` width 2: too few units for 3 levels; give more"),
        ("width=8,width=9", "`method_options` width=8,width=9: width is given more than once; give it once"),
        ("64", "`method_options` 64: ours has no such option; it has width"),
        ("width", "`method_options` width: Expected `int | null`, got `str`; correct `width`"),
    ],
)
def test_an_option_that_the_method_has_not_is_refused(options, said):
    with pytest.raises(HiertaxError) as caught:
        build_network("ours", "resnet10", SMALL, options=options)
    assert str(caught.value) == said


def test_heads_of_vanilla_single_may_read_two_units():
    network = tiny.build("vanilla_single", options="bottleneck=2")
    assert network.finest_head().in_features == 2
    assert [z.shape for z in network.eval()(torch.randn(2, 3, 32, 32))] == [(2, 2), (2, 4)]
