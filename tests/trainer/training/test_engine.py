"""The recipe of training, its steps to the bit, and the honesty of scores: every image, once, in its order."""

from dataclasses import replace
from itertools import chain
from math import log

import numpy as np
import pytest
import tiny
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode

from taxonomy.metrics import level_accuracy
from trainer.config import METHODS, Config
from trainer.data.augment import Recipe, draw_params
from trainer.data.inputs import ArrayInputs
from trainer.data.samples import Samples
from trainer.inference.decoding import top_labels
from trainer.inference.forward import count_right, embed, predict_logits
from trainer.models.losses import count_hits, multi_level_loss
from trainer.models.network import Network
from trainer.models.stored import WEIGHTS, strip_prefix
from trainer.runtime.device import Compute
from trainer.runtime.processes import SINGLE, ProcessGroup
from trainer.training.epoch import plan_epoch, seed_from, train_epoch
from trainer.training.learner import Learner
from trainer.training.optimizer import make_optimizer

RICH = Recipe(crop="resized", color_jitter=0.4, mixup=0.2, cutmix=1.0)
PLAIN = Recipe()


def resnet(method="ours", *, frozen=False):
    torch.manual_seed(0)
    return tiny.build(method, frozen=frozen)


def plan(count, seed=0, *, batch_size=8, recipe=None, **where):
    draws = None if recipe is None else lambda generator: draw_params(recipe, count, 16, generator)
    return plan_epoch(count, seed, batch_size=batch_size, draw=draws, **where)


def run_epoch(learner, samples, *, seed=0, batch_size=8, recipe=None, compute=tiny.CPU, parts=1, **options):
    planned = plan(len(samples), seed, batch_size=batch_size, recipe=recipe, parts=parts)
    return train_epoch(learner, samples, planned, compute, seed=seed, **options)


# The recipe


def test_the_defaults_are_the_recipe_of_the_paper_and_its_code():
    config = Config("none.json")
    assert (config.epochs, config.batch_size, config.image_size) == (100, 64, 224)
    assert (config.learning_rate, config.backbone_learning_rate) == (0.1, 0.01)
    assert (config.momentum, config.weight_decay) == (0.9, 5e-4)


@pytest.mark.parametrize("method", METHODS)
def test_every_parameter_is_optimised_once_and_the_backbone_at_its_own_rate(method):
    net = resnet(method)
    optimizer = make_optimizer(net, replace(tiny.CONFIG, learning_rate=0.3, backbone_learning_rate=0.2))
    rate = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(net.parameters())) == len(rate)
    for name, parameter in net.named_parameters():
        assert rate[id(parameter)] == (0.2 if name.startswith("backbone") else 0.3)


@pytest.mark.parametrize("method", tiny.FREEZABLE)
def test_of_a_frozen_backbone_nothing_is_optimised(method):
    net = resnet(method, frozen=True)
    (group,) = make_optimizer(net, tiny.CONFIG).param_groups
    names = [name for name, p in net.named_parameters() if any(p is q for q in group["params"])]
    assert names == [name for name, _ in net.named_parameters() if not name.startswith("backbone")]


def test_momentum_and_weight_decay_go_to_everything():
    for group in make_optimizer(tiny.network(), tiny.CONFIG).param_groups:
        assert (group["momentum"], group["weight_decay"], group["nesterov"]) == (0.9, 5e-4, False)


# The loss


def answers(count=6, sizes=(3, 7)):
    """Logits and targets of some levels."""
    logits = [torch.randn(count, size, generator=tiny.generator(size)) for size in sizes]
    return logits, torch.stack([(torch.arange(count) * 5 + 1) % size for size in sizes], dim=1)


def test_the_loss_is_the_sum_over_levels_of_the_cross_entropy():
    logits, y = answers()
    expected = cross_entropy(logits[0], y[:, 0]) + cross_entropy(logits[1], y[:, 1])
    torch.testing.assert_close(multi_level_loss(logits, y), expected)


def test_the_loss_of_knowing_nothing_is_the_sum_of_log_sizes():
    logits = [torch.zeros(2, size) for size in (13, 38, 200)]
    loss = multi_level_loss(logits, torch.zeros(2, 3, dtype=torch.int64))
    assert loss.item() == pytest.approx(log(13) + log(38) + log(200))


def test_of_mixed_images_both_labels_count_by_their_share():
    logits, y = answers()
    share = torch.rand(6, generator=tiny.generator())
    expected = 0.0
    for z, labels in zip(logits, y.unbind(1), strict=True):
        p = z.log_softmax(1)
        for i in range(6):
            own, others = labels[i], labels[5 - i]
            expected -= (share[i] * p[i, own] + (1 - share[i]) * p[i, others]) / 6
    torch.testing.assert_close(multi_level_loss(logits, y, share), expected)


def test_an_unmixed_batch_and_a_wholly_exchanged_one_have_the_plain_loss():
    logits, y = answers()
    torch.testing.assert_close(multi_level_loss(logits, y, torch.ones(6)), multi_level_loss(logits, y))
    torch.testing.assert_close(multi_level_loss(logits, y, torch.zeros(6)), multi_level_loss(logits, y.flip(0)))


# The plan of an epoch

counts = st.integers(2, 200)
batch_sizes = st.integers(1, 64)
shapes = st.tuples(st.integers(1, 4), st.integers(1, 4))  # parts, processes


def plans(count, batch_size, parts, processes, seed=0, recipe=None):
    """The plans of all processes; batches are as large as the command line would allow."""
    assume(min(count, batch_size) >= parts * processes)
    teams = [ProcessGroup(rank, processes) for rank in range(processes)]
    return [plan(count, seed, batch_size=batch_size, parts=parts, group=group, recipe=recipe) for group in teams]


@given(counts, batch_sizes, shapes, st.integers(0, 2**62))
def test_all_processes_and_parts_together_meet_every_sample_once_but_for_less_than_a_batch(
    count, batch_size, shape, seed
):
    made = plans(count, batch_size, *shape, seed)
    rows = torch.cat([each.indices.flatten() for each in made])
    assert len(rows.unique()) == len(rows)
    assert 0 <= rows.min() <= rows.max() < count
    whole = sum(each.indices[0].numel() for each in made)  # a batch
    assert count - len(rows) < whole <= batch_size


@given(counts, batch_sizes, shapes)
def test_places_are_where_rows_stand_in_the_order_of_the_epoch(count, batch_size, shape):
    order = plan(count, batch_size=1).indices.flatten()
    covered = []
    for each in plans(count, batch_size, *shape):
        assert each.offsets.shape == each.indices.shape[:2]
        for rows, place in zip(each.indices.flatten(0, 1), each.offsets.flatten(), strict=True):
            assert torch.equal(rows, order[place : place + len(rows)])
            covered += range(place, place + len(rows))
    assert sorted(covered) == list(range(len(covered)))


@given(counts, batch_sizes, st.integers(1, 4))
def test_processes_learn_what_one_process_learns_in_as_many_parts(count, batch_size, many):
    (one,) = plans(count, batch_size, many, 1)
    each = plans(count, batch_size, 1, many)
    assert torch.equal(one.indices, torch.cat([process.indices for process in each], dim=1))
    assert torch.equal(one.offsets, torch.cat([process.offsets for process in each], dim=1))


@given(counts, batch_sizes, shapes)
def test_every_process_draws_the_same_augmentation_for_all_samples(count, batch_size, shape):
    first, *others = plans(count, batch_size, *shape, recipe=PLAIN)
    assert len(first.params.flip) == count
    assert all(torch.equal(first.params.window, other.params.window) for other in others)


def test_fewer_samples_than_a_batch_are_one_batch():
    assert plan(3, batch_size=64).indices.sort().values.tolist() == [[[0, 1, 2]]]


def test_a_seed_decides_order_and_augmentation():
    one, again, other = (plan(50, seed_from(seed, 0), recipe=RICH) for seed in (1, 1, 2))
    assert torch.equal(one.indices, again.indices)
    assert not torch.equal(one.indices, other.indices)
    for name in ("window", "flip", "share"):
        assert torch.equal(getattr(one.params, name), getattr(again.params, name))
        assert not torch.equal(getattr(one.params, name), getattr(other.params, name))


@given(st.integers(0, 2**63 - 1), st.integers(0, 10**6))
def test_the_seeds_of_epochs_are_such_as_torch_takes_and_differ(seed, epoch):
    torch.Generator().manual_seed(seed_from(seed, epoch))
    assert len({seed_from(seed, epoch), seed_from(seed, epoch + 1), seed_from(seed ^ 1, epoch)}) == 3


# One epoch


class Linear(Network):
    """A network without batch statistics, of one feature per sample; notes what it sees."""

    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(1, size) for size in tiny.SIZES)
        self.seen = []

    def forward(self, inputs):
        self.seen.append([int(x) for x in inputs[:, 0]])
        return [head(inputs / 10) for head in self.heads]


def numbered(count):
    """Samples told apart by their only feature."""
    fine = torch.arange(count) % 4
    return Samples(
        ArrayInputs(torch.arange(count, dtype=torch.float32)[:, None]), torch.stack([fine // 2, fine], dim=1)
    )


def linear(seed=0):
    torch.manual_seed(seed)
    return Linear()


@pytest.mark.parametrize("parts", [1, 2])
def test_an_epoch_shows_whole_batches_of_its_plan_in_order(parts):
    net, steps = linear(), []
    run_epoch(tiny.learner(net), numbered(13), batch_size=4, parts=parts, on_batch=steps.append)
    assert steps == [4, 4, 4]
    assert net.seen == plan(13, batch_size=4, parts=parts).indices.flatten(0, 1).tolist()
    assert len(set(chain(*net.seen))) == 12


def test_parts_of_a_batch_move_the_weights_as_the_whole_batch_does():
    nets = [linear(), linear()]
    for net, parts in zip(nets, (1, 4), strict=True):
        learner = tiny.learner(net)
        run_epoch(learner, numbered(24), parts=parts)
        assert (learner.step, learner.seen) == (3, 24)
    for a, b in zip(*(net.parameters() for net in nets), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("recipe", [None, PLAIN, RICH], ids=["features", "images", "mixed images"])
def test_the_same_seed_trains_the_same_network_bit_for_bit(recipe):
    samples = tiny.features(16, tiny.CHANNELS) if recipe is None else tiny.images()
    trained = []
    for seed in (0, 0, 1):
        learner = tiny.learner()
        run_epoch(learner, samples, seed=seed, recipe=recipe)
        trained.append(learner.tensors())
    assert tiny.same(trained[0], trained[1])
    assert not tiny.same(trained[0], trained[2])


def assert_goes_on_as(through, broken, other, samples, settings, epoch):
    """Resume in another network what was broken off, and compare it with what went through."""
    other.load_state_dict(strip_prefix(WEIGHTS, broken.tensors()))
    resumed = tiny.learner(other, **settings)
    resumed.restore(broken.tensors(), broken.progress())
    run_epoch(resumed, samples, **epoch)
    assert tiny.same(through.tensors(), resumed.tensors())
    assert timeless(through.progress()) == timeless(resumed.progress())


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
@pytest.mark.parametrize("parts", [1, 2])
def test_stopping_after_any_step_and_going_on_is_not_stopping_to_the_bit(stop, parts):
    """Dropout, augmentation, moving averages and a gradient scaler, in a new learner filled from tensors alone."""
    settings = {"ema": 0.5, "compute": tiny.on_cpu(torch.float16)}
    epoch = {"batch_size": 4, "recipe": RICH, "parts": parts, "compute": settings["compute"]}
    samples = tiny.images(17)

    through = tiny.learner(tiny.network(dropout=0.5), **settings)
    run_epoch(through, samples, **epoch)

    steps = iter(range(1, 9))
    broken = tiny.learner(tiny.network(dropout=0.5), **settings)
    run_epoch(broken, samples, **epoch, stopping=lambda: next(steps) == stop)
    assert broken.step == stop

    assert_goes_on_as(through, broken, tiny.network(dropout=0.5, seed=9), samples, settings, epoch)


@pytest.mark.parametrize("stop", [1, 2, 3])
@pytest.mark.parametrize("parts", [1, 2])
def test_with_two_steps_a_batch_too(stop, parts):
    """Both draw from chance, and either leaves parameters out."""
    settings = {"ema": 0.5, "compute": tiny.on_cpu(torch.float16)}
    epoch = {"batch_size": 4, "recipe": RICH, "parts": parts, "compute": settings["compute"]}
    samples = tiny.images(17)
    through, broken = (tiny.learner(tiny.TwoSteps(dropout=0.5), **settings) for _ in range(2))
    run_epoch(through, samples, **epoch)
    batches = iter(range(1, 9))
    run_epoch(broken, samples, **epoch, stopping=lambda: next(batches) == stop)
    assert (broken.step, broken.seen) == (stop, 4 * stop)

    assert_goes_on_as(through, broken, tiny.TwoSteps(dropout=0.5, seed=9), samples, settings, epoch)


def test_each_step_of_a_batch_moves_what_it_uses_and_nothing_else():
    moved = []

    class Watched(Learner):
        def move_weights(self):
            before = tiny.state(self.network)
            super().move_weights()
            moved.append({name for name, p in self.network.named_parameters() if not torch.equal(p, before[name])})

    net, samples = tiny.TwoSteps(), tiny.images(8)
    learner = Watched(net, tiny.CONFIG, tiny.CPU, 2)
    run_epoch(learner, samples, recipe=PLAIN)
    first, second = moved
    assert {name.partition(".")[0] for name in first} == {"backbone", "first"}
    assert {name.partition(".")[0] for name in second} == {"backbone", "classifier"}
    assert (learner.step, learner.seen) == (1, 8)


def test_the_steps_of_a_batch_see_the_same_images_and_its_loss_is_their_sum():
    """Hits are those of the last step: each image counts once."""
    seen, samples = [], tiny.images(8)

    class Noting(tiny.TwoSteps):
        def embed(self, images):
            seen.append(images.flatten(1).sort().values)
            return super().embed(images)

    learner = tiny.learner(Noting(), learning_rate=0.0, backbone_learning_rate=0.0, weight_decay=0.0)
    run_epoch(learner, samples, recipe=PLAIN, parts=2)
    assert len(seen) == 4  # both parts for the first step, both for the second
    assert all(torch.equal(a, b) for a, b in zip(seen[:2], seen[2:], strict=True))
    assert learner.known.tolist() == [8, 8]
    assert (learner.sums[1:] <= 8).all()
    assert learner.finish_epoch()[0] > log(2) + log(4)  # knowing nothing, one step has about that


def timeless(progress):
    return progress | {"pace": None}


@pytest.mark.parametrize("method", tiny.FREEZABLE)
def test_a_few_epochs_learn_what_is_plain_to_see(method):
    net, samples = resnet(method, frozen=True), tiny.features()
    learner = tiny.learner(net)
    results = []
    while learner.epoch < 8:
        run_epoch(learner, samples, seed=learner.epoch, batch_size=20)
        results.append(learner.finish_epoch())
    (first, _), (last, right) = results[0], results[-1]
    assert last < first / 3
    assert min(right) > 0.9
    logits = predict_logits(net, samples.inputs, batch_size=64, compute=tiny.CPU)
    assert (top_labels(logits) == samples.targets).float().mean() > 0.95


def test_the_result_of_an_epoch_is_the_mean_over_its_samples():
    net, samples = linear(), numbered(12)
    learner = tiny.learner(net, learning_rate=0.0, weight_decay=0.0)
    run_epoch(learner, samples, batch_size=4)
    assert learner.seen == 12
    loss, right = learner.finish_epoch()
    logits = net(samples.inputs.tensor)  # nothing was learned
    assert loss == pytest.approx(multi_level_loss(logits, samples.targets).item(), abs=1e-5)
    assert right == pytest.approx((top_labels(logits) == samples.targets).float().mean(0).tolist())
    assert (learner.epoch, learner.step, learner.seen, learner.sums.tolist()) == (1, 0, 0, [0, 0, 0])


def test_training_on_features_leaves_a_frozen_backbone_untouched_buffers_included():
    net = resnet(frozen=True)
    before = tiny.state(net.backbone)
    run_epoch(tiny.learner(net), tiny.features())
    assert tiny.same(before, tiny.state(net.backbone))


@pytest.mark.parametrize("method", METHODS)
def test_training_on_images_moves_backbone_and_heads(method):
    net = tiny.of_stages(method)
    before = tiny.state(net)
    run_epoch(tiny.learner(net), tiny.images(), recipe=PLAIN)
    assert all(not torch.equal(before[name], parameter) for name, parameter in net.named_parameters())


# Nothing waits for the device


class Watch(TorchDispatchMode):
    """Counts the operations that would make the host wait for a GPU, or send it a value and wait for that."""

    WAITING = ("_local_scalar_dense", "nonzero", "equal", "masked_select", "_unique2", "lift_fresh")

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        masked = name in ("index", "index_put_") and any(t.dtype == torch.bool for t in args[1] if t is not None)
        if name in self.WAITING or masked:
            self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def test_the_watch_sees_what_waits():
    numbers = torch.arange(3.0)
    for waits in (
        lambda: numbers[1].item(), lambda: bool(numbers.sum() > 1), lambda: numbers[numbers > 1],
        lambda: torch.tensor([1.0]) + numbers, lambda: numbers.nonzero(), lambda: numbers.unique(),
    ):  # fmt: skip
        with Watch() as watch:
            waits()
        assert watch.seen


kinds = pytest.mark.parametrize("recipe", [None, PLAIN, RICH], ids=["features", "images", "mixed images"])


def second_epoch(compute, samples, recipe, on_batch):
    """Train an epoch that makes momentum and the like, and then one of four steps."""
    learner = tiny.learner(compute=compute, ema=0.9)
    run_epoch(learner, samples, recipe=recipe, compute=compute)
    learner.finish_epoch()
    run_epoch(learner, samples, batch_size=4, recipe=recipe, compute=compute, on_batch=on_batch)
    assert learner.step == 4


def samples_for(recipe):
    return tiny.features(16, tiny.CHANNELS) if recipe is None else tiny.images()


@kinds
@tiny.each_dtype
def test_from_the_end_of_the_first_step_to_that_of_the_last_nothing_waits_for_the_device(recipe, dtype):
    met = []
    with Watch() as watch:
        second_epoch(tiny.on_cpu(dtype), samples_for(recipe), recipe, lambda _: met.append(len(watch.seen)))
    *_, first, _, _, last = met
    assert watch.seen[first:last] == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@kinds
@tiny.each_dtype
def test_on_a_gpu_torch_itself_sees_nothing_that_waits(recipe, dtype):
    compute, samples, met = Compute(torch.device("cuda"), dtype), samples_for(recipe), []

    def refuse(_):
        met.append(_)
        torch.cuda.set_sync_debug_mode("error" if 1 <= len(met) < 4 else "default")

    on_gpu = Samples(ArrayInputs(samples.inputs.tensor.cuda()), samples.targets.cuda())
    try:
        second_epoch(compute, on_gpu, recipe, refuse)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(met) == 4


# Scores


def test_prediction_covers_every_image_in_its_order_whatever_the_batch():
    net, inputs = resnet(), tiny.images(7, 32).inputs
    whole = predict_logits(net, inputs, batch_size=7, compute=tiny.CPU)
    assert [z.shape for z in whole] == [(7, 2), (7, 4)]
    for batch_size in (1, 3, 64):  # 7 is no multiple of 3: nothing may be dropped
        for a, b in zip(whole, predict_logits(net, inputs, batch_size=batch_size, compute=tiny.CPU), strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_prediction_changes_nothing():
    net = tiny.network()
    before = tiny.state(net)
    predict_logits(net.train(), tiny.images().inputs, batch_size=4, compute=tiny.CPU)
    count_right(net.train(), tiny.images(), batch_size=4, compute=tiny.CPU)
    assert tiny.same(before, tiny.state(net))


@pytest.mark.parametrize("method", tiny.FREEZABLE)
def test_classifying_features_is_predicting_from_images(method):
    net, inputs = resnet(method, frozen=True), tiny.images(5, 32).inputs
    steps = []
    features = embed(net, inputs, batch_size=2, compute=tiny.CPU, on_batch=steps.append)
    assert (features.shape, steps) == ((5, 512), [2, 2, 1])
    from_features = predict_logits(net, ArrayInputs(features), batch_size=5, compute=tiny.CPU)
    for a, b in zip(from_features, predict_logits(net, inputs, batch_size=5, compute=tiny.CPU), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 3, 11, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_what_is_counted_as_right_is_the_accuracy_of_the_predictions(batch_size, dtype):
    compute, samples = tiny.on_cpu(dtype), tiny.images(11)
    net = tiny.network()
    right, known, finite = count_right(net, samples, batch_size=batch_size, compute=compute)
    labels = top_labels(predict_logits(net, samples.inputs, batch_size=batch_size, compute=compute))
    expected = level_accuracy(samples.targets.numpy(), labels.numpy())
    np.testing.assert_allclose(right.double().numpy() / 11, expected)
    assert known.tolist() == [11, 11]
    assert finite


class Unheard(ProcessGroup):
    """One of several processes, which adds nothing up."""

    def all_reduce_sum_(self, tensor):
        return tensor


@pytest.mark.parametrize("processes", [2, 3, 4, 13])
def test_processes_share_the_scoring_of_all_samples(processes):
    net, samples = tiny.network(), tiny.images(11)
    whole, *_ = count_right(net, samples, batch_size=2, compute=tiny.CPU, group=SINGLE)
    parts = [
        count_right(net, samples, batch_size=2, compute=tiny.CPU, group=Unheard(rank, processes))[0]
        for rank in range(processes)
    ]
    assert torch.equal(torch.stack(parts).sum(0), whole)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_told(wrong):
    net = tiny.network()
    with torch.no_grad():
        net.classifier.heads.heads[1].bias[2] = wrong
    assert not count_right(net, tiny.images(), batch_size=4, compute=tiny.CPU)[-1]


def test_autocast_ends_where_an_answer_is_handed_out(monkeypatch):
    seen = []

    def noting(logits, targets):
        seen.append(torch.is_autocast_enabled("cpu"))
        return count_hits(logits, targets)

    monkeypatch.setattr("trainer.inference.forward.count_hits", noting)
    compute = tiny.on_cpu(torch.bfloat16)
    count_right(tiny.network(), tiny.images(), batch_size=4, compute=compute)
    assert seen == [False] * 4


def test_top_labels_are_each_heads_own_choice():
    logits = [torch.tensor([[0.0, 1.0], [2.0, 1.0]]), torch.tensor([[0.0, 1.0, 3.0], [5.0, 1.0, 2.0]])]
    assert top_labels(logits).tolist() == [[1, 2], [0, 0]]
