"""Disentangle and reinforce: what each head reads, and whom its loss reaches (docs/methods.md, "The model").

Zeros are exact zeros: a gradient that is stopped is not small, it is absent.
"""

from math import log

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from trainer.models.heads import Classifier, DisentangledHeads, Neck, SharedHeads, split_widths
from trainer.models.losses import multi_level_loss

SIZES, WIDTH, BATCH, POOLED = (2, 3, 5), 13, 4, 7  # sizes differ, and 13 = 5 + 4 + 4 is not divisible
PARTS = [slice(0, 5), slice(5, 9), slice(9, 13)]
LEVELS = range(len(SIZES))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def ours(width=WIDTH, sizes=SIZES):
    return DisentangledHeads(width, sizes, reinforce=True)


def ours_single(width=WIDTH, sizes=SIZES):
    return DisentangledHeads(width, sizes, reinforce=False)


HEADS = {"ours": ours, "ours_single": ours_single, "vanilla_single": lambda: SharedHeads(WIDTH, SIZES)}
each_disentangled = pytest.mark.parametrize("make", [ours, ours_single], ids=["ours", "ours_single"])
each_level = pytest.mark.parametrize("k", LEVELS)


def features():
    return torch.randn(BATCH, WIDTH, requires_grad=True)


def targets():
    return torch.stack([torch.randint(0, size, (BATCH,)) for size in SIZES], dim=1)


def gradient_of_f(heads, f, y, k=None):
    """The gradient that the loss of head k (of all heads where k is None) sends into f, ``[B, D]``."""
    logits = heads(f)
    loss = multi_level_loss(logits, y) if k is None else cross_entropy(logits[k], y[:, k])
    return torch.autograd.grad(loss, f)[0]


# ---------------------------------------------------------------- what a head reads


@pytest.mark.parametrize(
    ("width", "parts", "expected"),
    [(600, 3, [200, 200, 200]), (600, 2, [300, 300]), (600, 1, [600]), (600, 7, [86, 86, 86, 86, 86, 85, 85]),
     (13, 3, [5, 4, 4]), (3, 3, [1, 1, 1])],
)  # fmt: skip
def test_parts_are_as_equal_as_can_be_and_the_first_take_what_is_left_over(width, parts, expected):
    assert split_widths(width, parts) == expected


def test_a_head_of_ours_reads_its_part_and_all_finer_ones():
    assert [head.in_features for head in ours(600).heads] == [600, 400, 200]
    assert [head.in_features for head in ours(600, (9, 196)).heads] == [600, 300]


def test_a_head_of_ours_single_reads_its_own_part_alone():
    assert [head.in_features for head in ours_single(600).heads] == [200, 200, 200]


def test_a_vanilla_head_reads_everything():
    assert [head.in_features for head in SharedHeads(600, SIZES).heads] == [600, 600, 600]


@pytest.mark.parametrize("name", HEADS)
def test_the_first_head_is_the_coarsest(name):
    assert [tuple(z.shape) for z in HEADS[name]()(features())] == [(BATCH, size) for size in SIZES]


def test_the_first_part_of_f_belongs_to_the_coarsest_level_and_the_last_to_the_finest():
    heads, f = ours_single(), features()
    for k, z in enumerate(heads(f)):
        torch.testing.assert_close(z, heads.heads[k](f[:, PARTS[k]]))


def test_a_head_of_ours_sees_the_concatenation_of_equation_2():
    heads, f = ours(), features()
    for k, z in enumerate(heads(f)):
        torch.testing.assert_close(z, heads.heads[k](f[:, PARTS[k].start :]))


# ---------------------------------------------------------------- whom a loss reaches


@each_disentangled
@each_level
def test_the_loss_of_a_head_reaches_its_own_part_of_f_and_no_other(make, k):
    gradient = gradient_of_f(make(), features(), targets(), k)
    for j in LEVELS:
        assert (gradient[:, PARTS[j]] != 0).any() == (j == k)


@each_level
def test_the_loss_of_a_vanilla_head_reaches_every_part(k):
    gradient = gradient_of_f(HEADS["vanilla_single"](), features(), targets(), k)
    assert all((gradient[:, part] != 0).any() for part in PARTS)


@each_disentangled
@each_level
def test_a_part_of_the_neck_learns_from_its_own_head_alone(make, k):
    classifier = Classifier(Neck(POOLED, WIDTH), make())
    y = targets()
    cross_entropy(classifier(torch.randn(BATCH, POOLED))[k], y[:, k]).backward()
    _, linear, norm, _ = classifier.neck
    for j in LEVELS:
        if j != k:
            for gradient in (linear.weight.grad, linear.bias.grad, norm.weight.grad, norm.bias.grad):
                assert torch.count_nonzero(gradient[PARTS[j]]) == 0
    assert torch.count_nonzero(linear.weight.grad[PARTS[k]]) > 0
    assert torch.count_nonzero(norm.weight.grad[PARTS[k]]) > 0


@each_level
def test_what_stands_before_the_split_learns_from_every_loss(k):
    """Disentanglement is at f only: the first batch norm, and the backbone under it, are shared."""
    classifier = Classifier(Neck(POOLED, WIDTH), ours())
    pooled = torch.randn(BATCH, POOLED, requires_grad=True)
    cross_entropy(classifier(pooled)[k], targets()[:, k]).backward()
    assert torch.count_nonzero(classifier.neck[0].weight.grad) == POOLED
    assert torch.count_nonzero(pooled.grad) > 0


@each_level
def test_a_head_does_learn_to_use_the_finer_parts(k):
    heads, y = ours(), targets()
    cross_entropy(heads(features())[k], y[:, k]).backward()
    own = PARTS[k].stop - PARTS[k].start
    gradient = heads.heads[k].weight.grad
    assert (gradient[:, :own] != 0).all()
    assert (gradient[:, own:] != 0).all()


@pytest.mark.parametrize("name", HEADS)
@each_level
def test_the_loss_of_a_head_reaches_no_other_head(name, k):
    heads = HEADS[name]()
    cross_entropy(heads(features())[k], targets()[:, k]).backward()
    assert [head.weight.grad is not None for head in heads.heads] == [j == k for j in LEVELS]


def test_losses_do_not_mix_in_f():
    heads, f, y = ours(), features(), targets()
    together = gradient_of_f(heads, f, y)
    for k in LEVELS:
        assert torch.equal(together[:, PARTS[k]], gradient_of_f(heads, f, y, k)[:, PARTS[k]])


def test_gamma_changes_the_gradient_and_not_one_bit_of_the_answer():
    heads, f, y = ours(), features(), targets()
    without_gamma = [
        head(torch.cat(torch.split(f, heads.widths, dim=1)[k:], dim=1)) for k, head in enumerate(heads.heads)
    ]
    assert all(torch.equal(a, b) for a, b in zip(heads(f), without_gamma, strict=True))
    plain = torch.autograd.grad(multi_level_loss(without_gamma, y), f)[0]
    stopped = gradient_of_f(heads, f, y)
    assert torch.equal(plain[:, PARTS[0]], stopped[:, PARTS[0]])
    assert not torch.equal(plain[:, PARTS[2]], stopped[:, PARTS[2]])


# ---------------------------------------------------------------- how the methods stand to each other


def same_finest_and_zero_finer_columns(reinforced, single):
    with torch.no_grad():
        for k, (wide, narrow) in enumerate(zip(reinforced.heads, single.heads, strict=True)):
            own = reinforced.widths[k]
            wide.weight[:, own:] = 0
            wide.weight[:, :own] = narrow.weight
            wide.bias.copy_(narrow.bias)


def test_ours_without_its_finer_columns_is_ours_single():
    reinforced, single, f, y = ours(), ours_single(), features(), targets()
    same_finest_and_zero_finer_columns(reinforced, single)
    for a, b in zip(reinforced(f), single(f), strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(gradient_of_f(reinforced, f, y), gradient_of_f(single, f, y))


def test_the_finest_head_is_the_same_function_with_and_without_reinforcement():
    reinforced, single, f = ours(), ours_single(), features()
    single.heads[-1].load_state_dict(reinforced.heads[-1].state_dict())
    assert torch.equal(reinforced(f)[-1], single(f)[-1])


@pytest.mark.parametrize("make", [ours, ours_single, SharedHeads], ids=["ours", "ours_single", "vanilla_single"])
def test_with_one_level_every_method_is_the_ordinary_classifier(make):
    heads, f, y = make(WIDTH, (5,)), features(), targets()[:, -1:]
    (z,) = heads(f)
    linear = nn.Linear(WIDTH, 5)
    linear.load_state_dict(heads.heads[0].state_dict())
    assert torch.equal(z, linear(f))
    torch.testing.assert_close(gradient_of_f(heads, f, y), torch.autograd.grad(cross_entropy(linear(f), y[:, 0]), f)[0])


@pytest.mark.parametrize("name", HEADS)
def test_permuting_samples_permutes_answers(name):
    classifier = Classifier(Neck(POOLED, WIDTH), HEADS[name]()).eval()
    pooled, order = torch.randn(BATCH, POOLED), torch.randperm(BATCH)
    for a, b in zip(classifier(pooled), classifier(pooled[order]), strict=True):
        torch.testing.assert_close(a[order], b)


def test_the_neck_is_batch_norm_linear_batch_norm_elu():
    neck = Neck(2048, 600)
    assert [type(layer).__name__ for layer in neck] == ["BatchNorm1d", "Linear", "BatchNorm1d", "ELU"]
    assert sum(p.numel() for p in neck.parameters()) == 1_234_696
    assert sum(p.numel() for p in Neck(2048, 512).parameters()) == 1_054_208


# ---------------------------------------------------------------- the numbers of the paper's datasets


@pytest.mark.parametrize(
    ("sizes", "vanilla", "single", "reinforced"),
    [
        ((13, 38, 200), 150_851, 50_451, 63_251),
        ((30, 70, 100), 120_200, 40_200, 66_200),
        ((9, 196), 123_205, 61_705, 64_405),
    ],
    ids=["cub", "aircraft", "cars"],
)
def test_parameters_of_the_heads(sizes, vanilla, single, reinforced):
    made = SharedHeads(600, sizes), ours_single(600, sizes), ours(600, sizes)
    assert [sum(p.numel() for p in heads.parameters()) for heads in made] == [vanilla, single, reinforced]


@each_disentangled
def test_loss_at_the_start_with_zero_heads_is_the_sum_of_log_sizes(make):
    heads = make(600, (13, 38, 200))
    for parameter in heads.parameters():
        nn.init.zeros_(parameter)
    y = torch.tensor([[0, 0, 0], [12, 37, 199]])
    loss = multi_level_loss(heads(torch.randn(2, 600)), y)
    assert loss.item() == pytest.approx(log(13) + log(38) + log(200), abs=1e-5)
    assert loss.item() == pytest.approx(11.5009, abs=1e-4)


@pytest.mark.slow
def test_the_stop_stays_inside_a_compiled_graph():
    """The exact zeros and the learning of the finer columns, again, with ``torch.compile``'s own tracing."""
    heads, f, y = ours(), features(), targets()
    compiled = torch.compile(heads, backend="aot_eager")
    loss = cross_entropy(compiled(f)[0], y[:, 0])
    loss.backward()
    assert torch.count_nonzero(f.grad[:, PARTS[0].stop :]) == 0
    assert (heads.heads[0].weight.grad != 0).all()


def test_the_stop_holds_under_automatic_mixed_precision():
    heads, f, y = ours(), features(), targets()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = cross_entropy(heads(f)[0].float(), y[:, 0])
    loss.backward()
    assert torch.count_nonzero(f.grad[:, PARTS[0].stop :]) == 0
    assert torch.count_nonzero(heads.heads[0].weight.grad[:, PARTS[0].stop :]) > 0
