"""Ours with one thing changed: what each variant computes, in numbers that were calculated by hand."""

from math import inf, log

import pytest
import tiny
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from taxonomy import HiertaxError
from trainer.models.heads import DisentangledHeads, Levels, split_widths
from trainer.models.losses import PLAIN, Objective, multi_level_loss
from trainer.models.methods import build_network
from trainer.models.variants import NAMES, variant_of
from trainer.models.variants.consistency import Consistency, divergence
from trainer.models.variants.gated import GatedHeads
from trainer.models.variants.hierarchical_ce import HierarchicalCrossEntropy
from trainer.models.variants.reversed import ReversedHeads
from trainer.models.variants.soft_labels import SoftLabels, soft_targets
from trainer.models.variants.tree_path import TreePath, path_targets
from trainer.models.variants.unequal import unequal_widths

SIZES, WIDTH = (2, 3, 5), 13
FOUR = Levels((2, 4), tiny.paths((2, 4)))  # two groups of two leaves
CHANCES = torch.tensor([[0.5, 0.25, 0.125, 0.125]])  # of the four leaves; of the groups .75 and .25
LEAF = torch.tensor([0])

each_variant = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def changed(name, sizes=SIZES):
    """What a variant changes, by its own strength."""
    variant = variant_of(name)
    return variant.change(Levels(sizes, tiny.paths(sizes)), variant.STRENGTH or 0.0)


def reach(heads, k):
    """Into which parts of f, of equal width, the loss of head k sends gradient."""
    f = torch.randn(4, WIDTH, requires_grad=True)
    parts = torch.split(f, split_widths(WIDTH, len(SIZES)), dim=1)
    (gradient,) = torch.autograd.grad(heads(torch.cat(parts, dim=1))[k].square().sum(), f)
    return [bool(part.count_nonzero()) for part in torch.split(gradient, [p.shape[1] for p in parts], dim=1)]


# Heads


def test_without_the_stop_a_coarse_loss_reaches_fine_features_and_with_it_it_does_not():
    ours, unstopped = DisentangledHeads(WIDTH, SIZES, reinforce=True), changed("no_stop").heads(WIDTH, SIZES)
    assert [reach(ours, k) for k in range(3)] == [[True, False, False], [False, True, False], [False, False, True]]
    assert [reach(unstopped, k) for k in range(3)] == [[True, True, True], [False, True, True], [False, False, True]]
    unstopped.load_state_dict(ours.state_dict())
    f = torch.randn(4, WIDTH)
    assert all(torch.equal(a, b) for a, b in zip(ours(f), unstopped(f), strict=True))


def test_reversed_fine_heads_read_coarse_parts_and_send_no_gradient_into_them():
    heads = ReversedHeads(WIDTH, SIZES)
    assert [(head.in_features, head.out_features) for head in heads.heads] == [(4, 2), (8, 3), (13, 5)]
    f = torch.randn(4, WIDTH)
    other = f.clone()
    other[:, 9:] += 1  # the last part, the coarsest level's
    assert [not torch.equal(a, b) for a, b in zip(heads(f), heads(other), strict=True)] == [True, True, True]
    other = f.clone()
    other[:, :5] += 1  # the first, the finest's
    assert [not torch.equal(a, b) for a, b in zip(heads(f), heads(other), strict=True)] == [False, False, True]
    assert [reach(heads, k) for k in range(3)] == [[False, False, True], [False, True, False], [True, False, False]]


def test_a_gate_that_is_as_sharp_as_the_even_split_gives_the_logits_and_gradients_of_ours():
    ours, gated = DisentangledHeads(WIDTH, SIZES, reinforce=True), GatedHeads(WIDTH, SIZES, sharpness=100.0)
    for own, head in zip(ours.heads, gated.heads, strict=True):
        nn.init.zeros_(head.weight)
        head.weight.data[:, WIDTH - own.in_features :] = own.weight.data
        head.bias.data = own.bias.data
    f = torch.randn(4, WIDTH, requires_grad=True)
    for a, b in zip(ours(f), gated(f), strict=True):
        torch.testing.assert_close(a, b)
        gradients = [torch.autograd.grad(z.square().sum(), f)[0] for z in (a, b)]
        torch.testing.assert_close(*gradients)


def test_a_gate_is_learned_and_its_shares_add_up_to_one():
    heads = GatedHeads(WIDTH, SIZES, sharpness=4.0)
    assert heads.gate.softmax(0).amax().item() == pytest.approx(0.964663, abs=1e-6)  # e^4 / (e^4 + 2)
    torch.testing.assert_close(heads.gate.softmax(0).sum(0), torch.ones(WIDTH))
    sum(z.square().sum() for z in heads(torch.randn(4, WIDTH))).backward()
    assert heads.gate.grad.count_nonzero() == heads.gate.numel()


@pytest.mark.parametrize(
    ("width", "sizes", "power", "expected"),
    [
        (79, (9, 20, 50), 1.0, [10, 20, 49]),  # 76 units dealt 8.66, 19.24, 48.10, beside one each
        (13, (2, 3, 5), 0.0, [5, 4, 4]),
        (600, (13, 37, 200), 0.0, [200, 200, 200]),
        (3, (2, 3, 5), 1.0, [1, 1, 1]),
        (20, (1, 1000), 1.0, [1, 19]),
    ],
)
def test_unequal_parts_cover_the_width_exactly_and_leave_out_no_level(width, sizes, power, expected):
    found = unequal_widths(width, sizes, power)
    assert found == expected
    assert sum(found) == width


# Losses


def test_soft_targets_halve_with_every_half_of_the_way_to_the_root():
    """With exp(-beta / 2) = 1/2: weights 1, 1/2, 1/4, 1/4."""
    found = soft_targets(torch.from_numpy(FOUR.paths), torch.arange(4), 2 * log(2))
    torch.testing.assert_close(found[0], torch.tensor([1.0, 0.5, 0.25, 0.25]) / 2)
    torch.testing.assert_close(found[2], torch.tensor([0.25, 0.25, 1.0, 0.5]) / 2)


def test_soft_labels_ask_for_that_distribution():
    loss = SoftLabels(FOUR, 2 * log(2))
    assert loss(CHANCES.log(), LEAF).item() == pytest.approx(1.75 * log(2))  # its entropy, for it is met exactly
    sharp = SoftLabels(FOUR, 1000.0)
    assert sharp(CHANCES.log(), LEAF).item() == pytest.approx(log(2))


def test_hierarchical_cross_entropy_without_alpha_is_the_cross_entropy():
    loss, logits, labels = HierarchicalCrossEntropy(FOUR, 0.0), torch.randn(6, 4), torch.tensor([0, 1, 2, 3, -1, 1])
    for smoothing in (0.0, 0.1):
        expected = cross_entropy(logits, labels, ignore_index=-1, reduction="none", label_smoothing=smoothing)
        torch.testing.assert_close(loss(logits, labels, smoothing), expected)


def test_hierarchical_cross_entropy_weights_steps_near_the_root_up():
    """With exp(-alpha) = 1/2: 4/3 of -log .75 and 2/3 of -log (.5 / .75)."""
    loss = HierarchicalCrossEntropy(FOUR, log(2))
    assert loss(CHANCES.log(), LEAF).item() == pytest.approx(0.653886, abs=1e-6)


def test_the_target_of_a_path_adds_up_to_one_over_what_is_known_of_it():
    found = path_targets(torch.tensor([[1, 2], [0, -1], [-1, -1]]), [2, 4])
    assert found.tolist() == [[0, 0.5, 0, 0, 0.5, 0], [1, 0, 0, 0, 0, 0], [0] * 6]


def test_the_tree_path_loss_is_the_divergence_from_one_softmax_over_all_levels():
    """All logits alike: 1/4 everywhere against 1/2 at two labels, log 2; of the order alone 1/2 against 1."""
    logits = [torch.zeros(3, 2), torch.zeros(3, 2)]
    targets = torch.tensor([[0, 1], [0, -1], [-1, -1]])
    assert TreePath(1.0)(logits, targets).tolist() == pytest.approx([log(2), log(2), 0])
    assert TreePath(0.5)(logits, targets)[0].item() == pytest.approx(log(2) / 2)


def test_consistency_is_how_far_a_head_is_from_what_the_leaves_below_come_to():
    """Marginals .75, .25 against .25, .75: log 2 - .562335 nats."""
    coarse = torch.tensor([[0.25, 0.75]])
    loss, known = Consistency(FOUR, 1.0), torch.tensor([[0, 0]])
    assert loss([coarse.log(), CHANCES.log()], known).item() == pytest.approx(0.130812, abs=1e-6)
    agreed = torch.tensor([[0.75, 0.25]])
    assert loss([agreed.log(), CHANCES.log()], known).item() == pytest.approx(0, abs=1e-6)
    assert loss([coarse.log(), CHANCES.log()], torch.tensor([[0, -1]])).item() == 0
    apart = divergence(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    assert apart.item() == pytest.approx(log(2))


# All of them


@each_variant
@pytest.mark.parametrize("sizes", [(5,), (2, 4), (2, 3, 5), (2, 3, 5, 9)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_number_of_levels_in_any_precision_with_finite_gradients(name, sizes, dtype):
    change, f = changed(name, sizes), 30 * torch.randn(9, WIDTH, requires_grad=True)
    heads = change.heads(WIDTH, sizes)
    targets = torch.from_numpy(tiny.paths(sizes))[torch.arange(9) % sizes[-1]].clone()
    targets[0], targets[1, -1], targets[2, 0] = -1, -1, -1
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        logits = heads(f)
        loss = multi_level_loss(logits, targets, objective=Objective(finest=change.finest, joint=change.joint))
    assert [z.shape for z in logits] == [(9, size) for size in sizes]
    gradients = torch.autograd.grad(loss, [f, *logits, *heads.parameters()], allow_unused=True)
    assert all(each is None or each.isfinite().all() for each in (loss, *gradients))
    for k, gradient in enumerate(gradients[1 : 1 + len(sizes)]):
        assert gradient[targets[:, k] < 0].count_nonzero() == 0  # what is not known says nothing


@each_variant
def test_mixed_images_count_by_their_shares_under_all_settings(name):
    change, logits = changed(name), [torch.randn(6, size) for size in SIZES]
    targets = torch.from_numpy(tiny.paths(SIZES))[[0, 1, 2, 3, 4, 0]]
    objective = Objective(
        smoothing=0.1, priors=tuple(torch.randn(size) for size in SIZES), weights=(0.5, 1.0, 2.0), finest=change.finest,
        joint=change.joint,
    )  # fmt: skip
    plain, partners = (multi_level_loss(logits, y, objective=objective) for y in (targets, targets.flip(0)))
    mixed = multi_level_loss(logits, targets, torch.full((6,), 0.25), objective)
    torch.testing.assert_close(mixed, 0.25 * plain + 0.75 * partners)


@each_variant
def test_it_is_rebuilt_from_its_options_and_its_checkpoint_holds_what_it_learned(name):
    made = [tiny.build("ours_variant", SIZES, options=f"variant={name},width=24") for _ in range(2)]
    kept = made[0].state_dict()
    assert not [key for key in kept if key.startswith(("finest", "joint"))]
    made[1].load_state_dict(kept)
    images, targets = torch.randn(4, 3, 32, 32), torch.from_numpy(tiny.paths(SIZES))[:4]
    losses = [network.eval().training_steps()[0](images, targets, None, PLAIN)[0].item() for network in made]
    assert losses[0] == losses[1] < inf


def test_a_strength_is_refused_where_there_is_none_and_beyond_its_range():
    with pytest.raises(HiertaxError) as caught:
        build_network("ours_variant", "resnet10", SIZES, options="variant=no_stop,strength=1")
    assert str(caught.value) == "`method_options` strength: no_stop takes none; leave it out"
    with pytest.raises(HiertaxError, match="correct `variant`"):
        build_network("ours_variant", "resnet10", SIZES, options="variant=better")
    with pytest.raises(HiertaxError, match="correct `strength`"):
        build_network("ours_variant", "resnet10", SIZES, options="variant=gated,strength=-1")


def test_a_variant_that_can_be_asked_for_is_a_file():
    assert all(variant_of(name).change for name in NAMES)
