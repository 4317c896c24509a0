"""Whatever torch's optimisers and schedules keep, a checkpoint keeps: going on is not stopping, to the bit."""

import json
from functools import partial

import msgspec
import pytest
import tiny
from torch.optim import SGD, Adagrad, AdamW, NAdam, Rprop
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR, SequentialLR, StepLR

from trainer.config import METHODS
from trainer.data.augment import Recipe, draw_params
from trainer.models.stored import WEIGHTS, strip_prefix
from trainer.training.epoch import plan_epoch, train_epoch
from trainer.training.learner import Learner
from trainer.training.optimizer import make_optimizer, make_schedule

OPTIMIZERS = {
    "AdamW": partial(AdamW, weight_decay=0.1, amsgrad=True),
    "AdamW, fused": partial(AdamW, fused=True),
    "NAdam": NAdam,
    "Adagrad": Adagrad,
    "Rprop": Rprop,
    "SGD without momentum": SGD,
    "SGD with Nesterov's": partial(SGD, momentum=0.9, nesterov=True),
}
SCHEDULES = {
    "cosine": lambda optimizer: CosineAnnealingLR(optimizer, T_max=5),
    "one cycle, of momentum too": lambda optimizer: OneCycleLR(optimizer, [0.02, 0.01], total_steps=6),
    "two, one after the other": lambda optimizer: SequentialLR(
        optimizer, [LambdaLR(optimizer, lambda t: 0.1 * (t + 1)), StepLR(optimizer, 1)], milestones=[2]
    ),
}


def learner(optimizer, schedule, net=None):
    """A learner of other parts than the recipe's."""
    return Learner(
        net or tiny.network(), tiny.CONFIG, tiny.CPU, len(tiny.SIZES),
        optimizer=lambda network, config: OPTIMIZERS[optimizer](network.parameter_groups(config)),
        schedule=lambda made, *_: SCHEDULES[schedule](made),
    )  # fmt: skip


def learn(learner, epochs):
    for _ in range(epochs):
        plan = plan_epoch(16, learner.epoch, batch_size=8, draw=partial(draw_params, Recipe(), 16, 32))
        train_epoch(learner, tiny.images(), plan, tiny.CPU, seed=learner.epoch)
        learner.finish_epoch()


def kept(learner):
    """What a checkpoint holds: tensors, and JSON."""
    return learner.tensors(), json.loads(msgspec.json.encode(learner.progress() | {"pace": {}}))


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [*((name, "cosine") for name in OPTIMIZERS), *(("AdamW", name) for name in SCHEDULES if name != "cosine")],
)
@pytest.mark.parametrize("after", [0, 1, 2])
def test_learning_goes_on_with_any_optimiser_and_schedule_of_torch(optimizer, schedule, after):
    through, broken = learner(optimizer, schedule), learner(optimizer, schedule)
    learn(through, 4)
    learn(broken, after)
    tensors, progress = kept(broken)
    other = tiny.network(seed=9)
    other.load_state_dict(strip_prefix(WEIGHTS, tensors))
    resumed = learner(optimizer, schedule, other)
    resumed.restore(tensors, {**progress, "pace": {}})
    assert tiny.same(resumed.tensors(), tensors)
    learn(resumed, 4 - after)
    (a, about), (b, other_about) = kept(through), kept(resumed)
    assert tiny.same(a, b)
    assert about == other_about


def test_states_are_stored_by_parameter_and_kind():
    made = learner("AdamW", "cosine")
    learn(made, 1)
    names = [name for name in made.tensors() if name.startswith("optimizer/")]
    kinds = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "step")
    assert sorted(names) == sorted(f"optimizer/{n}/{k}" for n, _ in made.network.named_parameters() for k in kinds)


def test_tensors_come_back_laid_out_as_their_parameters():
    """Fused optimisers go through memory as it lies, whatever the strides say."""
    first, second = tiny.learner(), tiny.learner()
    learn(first, 1)
    second.restore(*kept(first)[:1], kept(first)[1])
    for parameter, state in second.optimizer.state.items():
        assert state["momentum_buffer"].stride() == parameter.stride()


# The recipe's own


@pytest.mark.parametrize("method", METHODS)
def test_groups_are_the_same_parameters_by_name_as_by_value(method):
    net = tiny.build(method)
    for group in make_optimizer(net, tiny.CONFIG).param_groups:
        for name, parameter in zip(group["param_names"], group["params"], strict=True):
            assert net.get_parameter(name) is parameter


@pytest.mark.parametrize("epochs", [1, 7, 100])
def test_the_rates_are_the_half_cosine_to_the_bit(epochs):
    from math import cos, pi

    made = tiny.learner(epochs=epochs)
    for epoch in range(epochs):
        for group, peak in zip(made.optimizer.param_groups, (0.1, 0.01), strict=True):
            assert group["lr"] == peak * 0.5 * (1 + cos(pi * epoch / epochs))
        made.finish_epoch()


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_a_schedule_can_be_made_anew_at_any_epoch(epoch):
    through, jumped = tiny.learner(epochs=6), tiny.learner(epochs=6)
    for _ in range(epoch):
        through.finish_epoch()
    make_schedule(jumped.optimizer, jumped.config, epoch)
    assert [g["lr"] for g in jumped.optimizer.param_groups] == [g["lr"] for g in through.optimizer.param_groups]


def test_a_run_of_more_epochs_goes_on_along_its_own_cosine():
    finished, longer, whole = tiny.learner(epochs=2), tiny.learner(epochs=6), tiny.learner(epochs=6)
    for _ in range(2):
        finished.finish_epoch()
        whole.finish_epoch()
    longer.restore(*kept(finished)[:1], {**kept(finished)[1], "pace": {}})
    assert [g["lr"] for g in longer.optimizer.param_groups] == [g["lr"] for g in whole.optimizer.param_groups]
    for each in (longer, whole):
        each.finish_epoch()
    assert [g["lr"] for g in longer.optimizer.param_groups] == [g["lr"] for g in whole.optimizer.param_groups]


def test_what_an_older_version_has_kept_is_read():
    """Momentum as the only state, no settings of groups, no schedule, no counts of known labels."""
    through, broken = tiny.learner(epochs=4), tiny.learner(epochs=4)
    learn(through, 2)
    learn(broken, 1)
    tensors, progress = kept(broken)
    resumed = tiny.learner(broken.network, epochs=4)
    old = {name: progress[name] for name in ("epoch", "step", "seen", "scaler")} | {"pace": {}}
    resumed.restore({name: tensor for name, tensor in tensors.items() if name != "known"}, old)
    learn(resumed, 1)
    assert tiny.same(kept(through)[0], kept(resumed)[0])
    assert [g["lr"] for g in resumed.optimizer.param_groups] == [g["lr"] for g in through.optimizer.param_groups]
