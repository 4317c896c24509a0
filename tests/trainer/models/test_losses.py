"""A label that is not known counts for nothing: not in the loss, not in a gradient, not in an accuracy."""

import math
from dataclasses import replace
from functools import partial
from math import isnan

import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from taxonomy import Hierarchy, HiertaxError
from trainer.data.augment import Recipe, draw_params
from trainer.inference.forward import count_right, predict_logits
from trainer.models.losses import (
    Objective,
    ancestors_of,
    count_hits,
    loss_and_hits,
    marginal_loss,
    multi_level_loss,
    read_level_weights,
)
from trainer.training.epoch import plan_epoch, train_epoch

SIZES = (3, 7)


def drawn(count, seed=0):
    """Logits that want a gradient, and labels, all known."""
    made = tiny.generator(seed)
    logits = [torch.randn(count, size, generator=made).requires_grad_() for size in SIZES]
    targets = torch.stack([torch.randint(size, (count,), generator=made) for size in SIZES], dim=1)
    return logits, targets, torch.rand(count, generator=made)


def loss_and_gradients(loss, logits):
    return loss, *torch.autograd.grad(loss, logits)


def as_it_is_without_unknown_labels(logits, targets, share):
    """The mean cross-entropy over all images by torch's own reduction."""
    levels = zip(logits, targets.unbind(1), strict=True)
    if share is None:
        return torch.stack([cross_entropy(z, y) for z, y in levels]).sum()
    mixed = [
        share * cross_entropy(z, y, reduction="none") + (1 - share) * cross_entropy(z, y.flip(0), reduction="none")
        for z, y in levels
    ]
    return torch.stack(mixed).mean(dim=1).sum()


each_kind = pytest.mark.parametrize("mixed", [False, True], ids=["plain", "mixed"])


@each_kind
@given(count=st.integers(1, 70), seed=st.integers(0, 99))
def test_where_all_labels_are_known_loss_and_gradient_are_the_plain_ones_to_the_bit(mixed, count, seed):
    logits, targets, share = drawn(count, seed)
    share = share if mixed else None
    ours = loss_and_gradients(multi_level_loss(logits, targets, share), logits)
    plain = loss_and_gradients(as_it_is_without_unknown_labels(logits, targets, share), logits)
    assert all(torch.equal(a, b) for a, b in zip(ours, plain, strict=True))


@given(known=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=9))
def test_an_image_has_no_part_in_a_level_that_it_does_not_know(known):
    logits, targets, _ = drawn(len(known))
    mask = torch.tensor(known)
    each = [cross_entropy(z, targets[:, k], reduction="none") for k, z in enumerate(logits)]
    expected = sum((loss * mask[:, k]).mean() for k, loss in enumerate(each))
    loss = multi_level_loss(logits, torch.where(mask, targets, -1))
    torch.testing.assert_close(loss, torch.as_tensor(expected), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("whole", [False, True], ids=["some", "all"])
@each_kind
@tiny.each_dtype
def test_what_is_unknown_gets_a_gradient_of_exactly_zero(mixed, dtype, whole):
    logits, targets, share = drawn(6)
    unknown = torch.tensor([True] * 6 if whole else [True, False, False, False, False, True])  # and its partner
    targets[unknown, 1] = -1
    with tiny.on_cpu(dtype).autocast():
        loss = multi_level_loss(logits, targets, share if mixed else None)
    _, coarse, fine = loss_and_gradients(loss, logits)
    assert loss.isfinite()
    assert torch.count_nonzero(fine[unknown]) == 0
    assert (coarse != 0).all()
    assert bool((fine != 0).any()) is not whole


def test_a_mixed_image_answers_for_the_labels_that_are_known_of_it_by_their_shares():
    (coarse, fine), targets, share = drawn(4)
    targets[0, 1] = -1
    p, (_, b, c, d) = fine.log_softmax(1), targets[:, 1].tolist()
    expected = -(
        (1 - share[0]) * p[0, d]
        + share[1] * p[1, b] + (1 - share[1]) * p[1, c]
        + share[2] * p[2, c] + (1 - share[2]) * p[2, b]
        + share[3] * p[3, d]
    ) / 4  # fmt: skip
    loss = multi_level_loss([coarse, fine], targets, share) - multi_level_loss([coarse], targets[:, :1], share)
    torch.testing.assert_close(loss, expected)


@each_kind
def test_with_unknown_labels_too_it_compiles_as_one_graph(mixed):
    torch.compiler.reset()
    compiled = torch.compile(multi_level_loss, backend="aot_eager", fullgraph=True)
    for hidden in (0, 2, 6):
        logits, targets, share = drawn(6)
        targets[:hidden, 1] = -1
        arguments = (logits, targets, share if mixed else None)
        ours = loss_and_gradients(compiled(*arguments), logits)
        for a, b in zip(ours, loss_and_gradients(multi_level_loss(*arguments), logits), strict=True):
            torch.testing.assert_close(a, b)
    torch.compiler.reset()


def test_hits_are_counted_among_known_labels():
    logits = [torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])]
    assert count_hits(logits, torch.tensor([[1], [0], [1]])).tolist() == [2]
    assert count_hits(logits, torch.tensor([[-1], [0], [-1]])).tolist() == [1]


# The marginal likelihood of what is known


TREE = Hierarchy.from_lineages(
    [("O1", "F1", "a"), ("O1", "F1", "b"), ("O1", "F2", "c"), ("O2", "F3", "d"), ("O2", "F3", "e")],
    ("order", "family", "species"), name="tree", root="root",
)  # fmt: skip
PATHS = torch.tensor(TREE.paths.tolist())
ANCESTORS = ancestors_of(TREE, torch.device("cpu"))
PROBABILITIES = ([0.45, 0.55], [0.5, 0.3, 0.2], [0.35, 0.05, 0.10, 0.30, 0.20])


def test_ancestors_are_the_labels_above_each_label():
    assert [level.tolist() for level in ANCESTORS] == [
        [[0, 1]], [[0, 0, 1], [0, 1, 2]], [[0, 0, 0, 1, 1], [0, 0, 1, 2, 2], [0, 1, 2, 3, 4]],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ((0, 0, 0), -math.log(0.45) - math.log(0.5) - math.log(0.35)),
        ((0, 0, -1), -math.log(0.45) - math.log(0.5) - math.log(0.35 + 0.05)),
        ((0, -1, -1), -math.log(0.45) - math.log(0.5 + 0.3) - math.log(0.35 + 0.05 + 0.10)),
        ((1, -1, -1), -math.log(0.55) - math.log(0.2) - math.log(0.30 + 0.20)),
        ((0, 1, -1), -math.log(0.45) - math.log(0.3) - math.log(0.10)),
        ((-1, -1, -1), 0.0),
    ],
)
@tiny.each_dtype
def test_a_finer_head_answers_for_the_taxon_that_is_known(target, expected, dtype):
    """The numbers of docs/methods.md."""
    logits = [torch.tensor([p]).log() + 1 for p in PROBABILITIES]
    targets = torch.tensor([target])
    with tiny.on_cpu(dtype).autocast():
        loss = multi_level_loss(logits, targets, None, Objective(ANCESTORS))
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def drawn_in_tree(count, seed):
    """Logits that want a gradient, and labels that are known to random depths."""
    made = tiny.generator(seed)
    logits = [torch.randn(count, size, generator=made).requires_grad_() for size in TREE.sizes]
    targets = PATHS[torch.randint(5, (count,), generator=made)]
    depth = torch.randint(4, (count, 1), generator=made)
    return logits, torch.where(torch.arange(3) < depth, targets, -1), torch.rand(count, generator=made)


@each_kind
@given(count=st.integers(1, 30), seed=st.integers(0, 99))
def test_it_is_minus_the_log_of_the_summed_softmax_image_by_image(mixed, count, seed):
    logits, targets, share = drawn_in_tree(count, seed)

    def term(k, i, path):
        depth = next((j for j in range(k, -1, -1) if path[j] >= 0), None)
        if depth is None:
            return 0.0
        inside = [c for c in range(TREE.sizes[k]) if ANCESTORS[k][depth, c] == path[depth]]
        return -logits[k][i].softmax(0)[inside].sum().log().item()

    total = 0.0
    for k in range(3):
        own = [term(k, i, targets[i].tolist()) for i in range(count)]
        others = [term(k, i, targets[count - 1 - i].tolist()) for i in range(count)]
        parts = [s * a + (1 - s) * b for s, a, b in zip(share.tolist(), own, others, strict=True)] if mixed else own
        total += sum(parts) / count
    loss = multi_level_loss(logits, targets, share if mixed else None, Objective(ANCESTORS))
    assert loss.item() == pytest.approx(total, abs=1e-5)


@each_kind
@given(count=st.integers(1, 30), seed=st.integers(0, 99))
def test_where_all_labels_are_known_it_changes_no_bit(mixed, count, seed):
    logits, targets, share = drawn_in_tree(count, seed)
    targets = PATHS[torch.arange(count) % 5]
    share = share if mixed else None
    plain = loss_and_gradients(multi_level_loss(logits, targets, share), logits)
    found = loss_and_gradients(multi_level_loss(logits, targets, share, Objective(ANCESTORS)), logits)
    assert all(torch.equal(a, b) for a, b in zip(found, plain, strict=True))


def test_labels_outside_what_is_known_are_pushed_down_and_those_inside_keep_their_proportions():
    logits = torch.tensor([PROBABILITIES[2]]).log().requires_grad_()
    (gradient,) = torch.autograd.grad(marginal_loss(logits, torch.tensor([[0, 0, -1]]), ANCESTORS[2]).sum(), logits)
    p = torch.tensor(PROBABILITIES[2])
    expected = torch.where(torch.tensor([True, True, False, False, False]), p - p / 0.4, p)
    torch.testing.assert_close(gradient[0], expected)


def test_logits_of_half_precision_are_summed_in_float32():
    logits, targets, _ = drawn_in_tree(20, 1)
    half = [z.detach().half() for z in logits]
    found = marginal_loss(half[2], targets, ANCESTORS[2])
    assert found.dtype == torch.float32
    assert torch.equal(found, marginal_loss(half[2].float(), targets, ANCESTORS[2]))
    assert marginal_loss(1e4 * half[2], targets, ANCESTORS[2]).isfinite().all()


@each_kind
def test_it_compiles_as_one_graph(mixed):
    torch.compiler.reset()
    compiled = torch.compile(multi_level_loss, backend="aot_eager", fullgraph=True)
    for seed in range(3):
        logits, targets, share = drawn_in_tree(12, seed)
        arguments = (logits, targets, share if mixed else None, Objective(ANCESTORS))
        ours = loss_and_gradients(compiled(*arguments), logits)
        for a, b in zip(ours, loss_and_gradients(multi_level_loss(*arguments), logits), strict=True):
            torch.testing.assert_close(a, b)
    torch.compiler.reset()


# Parts of a batch


@pytest.mark.parametrize("ancestors", [None, ANCESTORS], ids=["mask", "marginal"])
@given(seed=st.integers(0, 99), parts=st.sampled_from([1, 2, 4, 12]))
def test_the_mean_over_parts_is_that_of_the_whole_batch_whatever_each_part_knows(ancestors, seed, parts):
    logits, targets, _ = drawn_in_tree(12, seed)
    at_once = loss_and_gradients(multi_level_loss(logits, targets, None, Objective(ancestors)), logits)
    pieces = zip(*(z.chunk(parts) for z in logits), targets.chunk(parts), strict=True)
    losses = [multi_level_loss(list(piece[:-1]), piece[-1], None, Objective(ancestors)) for piece in pieces]
    together = loss_and_gradients(torch.stack(losses).mean(), logits)
    for a, b in zip(at_once, together, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


# A whole epoch


def partly_known(count=16):
    """Samples of which every second one has no label at the finest level."""
    samples = tiny.images(count)
    targets = samples.targets.clone()
    targets[::2, 1] = -1
    return replace(samples, targets=targets)


def test_the_training_accuracy_of_a_level_is_among_the_images_that_know_it():
    samples, learner = partly_known(), tiny.learner(learning_rate=0.0, backbone_learning_rate=0.0, weight_decay=0.0)
    draw = partial(draw_params, Recipe(), 16, 16)
    train_epoch(learner, samples, plan_epoch(16, 0, batch_size=16, draw=draw), tiny.CPU)
    assert learner.known.tolist() == [16, 8]
    right = learner.sums[1:].tolist()
    assert learner.finish_epoch()[1] == pytest.approx([right[0] / 16, right[1] / 8])
    assert learner.known.tolist() == [0, 0]


def test_a_level_that_nobody_knows_has_no_accuracy_and_its_head_learns_nothing():
    samples = partly_known()
    samples.targets[:, 1] = -1
    learner = tiny.learner(weight_decay=0.0)
    before = tiny.state(learner.network.finest_head())
    train_epoch(
        learner, samples, plan_epoch(16, 0, batch_size=8, draw=partial(draw_params, Recipe(), 16, 16)), tiny.CPU
    )
    loss, (coarse, fine) = learner.finish_epoch()
    assert loss > 0 <= coarse
    assert isnan(fine)
    assert tiny.same(before, tiny.state(learner.network.finest_head()))


@pytest.mark.parametrize("batch_size", [1, 5, 16])
def test_scores_count_what_is_known(batch_size):
    samples, net = partly_known(), tiny.network()
    right, known, finite = count_right(net, samples, batch_size=batch_size, compute=tiny.CPU)
    logits = predict_logits(net, samples.inputs, batch_size=16, compute=tiny.CPU)
    assert known.tolist() == [16, 8]
    assert right.tolist() == count_hits(logits, samples.targets).tolist()
    assert finite


def test_a_step_on_unknown_labels_compiles_as_one_graph():
    torch.compiler.reset()
    net, (images, targets) = tiny.network().train(), tiny.batch()
    targets[::2, 1] = -1
    loss, hits = torch.compile(loss_and_hits, backend="aot_eager", fullgraph=True)(net, images, targets, None)
    expected, right = loss_and_hits(net, images, targets, None)
    torch.testing.assert_close(loss, expected)
    assert torch.equal(hits, right)
    torch.compiler.reset()


# Weights of levels


def test_levels_count_by_their_weights_and_one_of_weight_zero_sends_no_gradient():
    logits = [torch.randn(4, size, requires_grad=True) for size in (2, 3)]
    targets = torch.tensor([[0, 2], [1, 0], [1, 1], [0, -1]])
    coarse, fine = (multi_level_loss(logits, targets, objective=Objective(weights=w)) for w in ((1.0, 0.0), (0.0, 1.0)))
    both = multi_level_loss(logits, targets, objective=Objective(weights=(0.5, 2.0)))
    torch.testing.assert_close(both, 0.5 * coarse + 2 * fine)
    share = torch.full((4,), 0.7)
    mixed = multi_level_loss(logits, targets, share, Objective(weights=(1.0, 0.0)))
    for loss in (coarse, mixed):
        loss.backward(retain_graph=True)
    assert logits[1].grad is None
    torch.testing.assert_close(
        multi_level_loss(logits, targets, objective=Objective(weights=(1.0, 1.0))), coarse + fine
    )


@pytest.mark.parametrize("text", ["1", "1,2,3", "1,x", "-1,1", "0,0", "1,inf", "nan,1", ""])
def test_weights_that_are_none_are_refused(text):
    with pytest.raises(HiertaxError, match="give 2 numbers of 0 or more, by commas"):
        read_level_weights(text, 2)
    assert read_level_weights("0.5, 1", 2) == (0.5, 1.0)
