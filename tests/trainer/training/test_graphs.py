"""A step that is recorded and replayed is the step; one that cannot be recorded is refused in a line.

Where there is no GPU, torch's tracing of forward and backward stands in for its recording: both keep which operations
were computed, and forget what Python decided.
"""

from dataclasses import replace

import pytest
import tiny
import torch
from functorch.compile import aot_module, nop
from torch.fx.experimental.proxy_tensor import make_fx

from taxonomy import HiertaxError
from trainer.data.augment import Recipe, draw_params
from trainer.models.losses import PLAIN
from trainer.runtime.device import Compute
from trainer.runtime.processes import SINGLE, ProcessGroup
from trainer.runtime.progress import Reporter
from trainer.training.compiling import faster_steps
from trainer.training.epoch import plan_epoch, train_epoch
from trainer.training.graphs import Example, check_graphs, record_step

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
GPU = torch.device("cuda")


def traced(module, tensors, **_):
    recorded = aot_module(module, fw_compiler=nop)
    recorded(*tensors)
    return recorded


def example(count=8, *, share=False, objective=PLAIN):
    images, targets = tiny.batch()
    return Example(images[:count], targets[:count], torch.rand(count) if share else None, objective)


def recorded(learner, given=None):
    return [record_step(step, learner.model, given or example(), tiny.CPU, traced) for step in learner.steps]


def moved(learner, steps, given):
    """What the weights are after all steps of a batch, and the losses."""
    losses = []
    for step in steps:
        loss, hits = step(*given)
        assert not hits.requires_grad
        learner.backward(loss)
        learner.move_weights()
        losses.append(loss.detach())
    return torch.stack(losses), tiny.state(learner.network)


@pytest.mark.parametrize("method", ["ours", "ours_single", "vanilla_single", "vanilla_multi"])
@pytest.mark.parametrize("share", [False, True], ids=["plain", "mixed"])
def test_a_replay_moves_the_weights_as_the_step_does(method, share):
    eager, learner = (tiny.learner(tiny.network(method)) for _ in range(2))
    steps = recorded(learner, example(share=share))
    given = example(share=share)._replace(inputs=torch.randn(8, *tiny.batch()[0].shape[1:]))
    (expected, weights), (losses, replayed) = moved(eager, eager.steps, given), moved(learner, steps, given)
    torch.testing.assert_close(losses, expected)
    assert weights.keys() == replayed.keys()
    for name, tensor in replayed.items():
        torch.testing.assert_close(tensor, weights[name], msg=name)


def test_recording_changes_nothing_that_lasts():
    learner = tiny.learner(ema=0.9)
    before = learner.tensors()
    recorded(learner)
    assert tiny.same(before, learner.tensors())
    assert all(p.grad is None for p in learner.network.parameters())


def test_inputs_of_another_shape_are_computed_as_they_come():
    """As the features are from which heads learn first, and which a recording of images could not take."""
    learner, calls = tiny.learner(), []

    def noting(*given):
        calls.append(len(given[0]))
        return learner.steps[0](*given)

    step = record_step(noting, learner.model, example(), tiny.CPU, traced)
    calls.clear()
    step(*example())
    assert calls == []
    step(*example(4))
    assert calls == [4]


def test_a_recording_that_forgets_where_gradients_stop_is_refused():
    """Then every level would learn by the parts of all others."""
    learner = tiny.learner(tiny.network("ours"))
    with pytest.raises(HiertaxError, match="a replayed step differs from a computed one"):
        record_step(
            learner.steps[0], learner.model, example(), tiny.CPU, lambda module, tensors, **_: make_fx(module)(*tensors)
        )


def test_a_step_that_decides_something_in_python_is_refused():
    learner = tiny.learner()

    def turning(images, *rest):
        return learner.steps[0](images.roll(next(turns), dims=-1), *rest)

    turns = iter(range(100))
    with pytest.raises(HiertaxError, match=r"^`compile` graphs: a replayed step differs from a computed one \(.*%\); "):
        record_step(turning, learner.model, example(), tiny.CPU, traced)


def test_one_that_waits_for_the_device_is_refused():
    learner = tiny.learner()

    def waiting(images, *rest):
        return learner.steps[0](images * float(images.mean().item() > 0), *rest)

    with pytest.raises(HiertaxError, match=r"^`compile` graphs: recording failed \(.+\); try `compile` off$"):
        record_step(waiting, learner.model, example(), tiny.CPU, traced)


@pytest.mark.parametrize(
    ("changes", "device", "group", "words"),
    [
        ({}, "cpu", SINGLE, r"CUDA alone records them, not CPU, \d threads?, fp32; try `compile` off"),
        ({"accumulate": 2}, "cuda", SINGLE, "a replay overwrites the gradients that parts of a batch"),
        ({}, "cuda", ProcessGroup(0, 2), "a replay overwrites the gradients that parts of a batch"),
    ],
    ids=["no CUDA", "parts", "processes"],
)
def test_where_it_cannot_work_it_is_refused(changes, device, group, words):
    config, compute = replace(tiny.CONFIG, **changes), Compute(torch.device(device))
    check_graphs(config, compute, group)  # nobody asked
    with pytest.raises(HiertaxError, match=f"^`compile` graphs: {words}"):
        check_graphs(replace(config, compile="graphs"), compute, group)


def test_the_command_refuses_it_before_anything_is_decoded(hiertrain, patches, tmp_path):
    outcome = hiertrain(*patches.options("--compile", "graphs", "--device", "cpu", "--out", tmp_path / "run"))
    *_, line = outcome.err.splitlines()
    assert line.startswith("error: --compile graphs: CUDA alone records them, not CPU")
    assert line.endswith("; try --compile off")
    assert (outcome.code, (tmp_path / "run").exists()) == (1, False)


# On a GPU, by torch's own recording


@needs_gpu
@pytest.mark.parametrize(
    "net", [tiny.network, lambda: tiny.network(dropout=0.5), lambda: tiny.network("vanilla_multi"), tiny.TwoSteps],
    ids=["ours", "dropout", "vanilla_multi", "two steps"],
)  # fmt: skip
@tiny.each_dtype
def test_on_a_gpu_an_epoch_of_replays_is_an_epoch(net, dtype):
    compute, samples = Compute(GPU, dtype), tiny.images()
    samples = replace(
        samples, inputs=replace(samples.inputs, tensor=samples.inputs.tensor.cuda()), targets=samples.targets.cuda()
    )
    config, plan = (
        replace(tiny.CONFIG, compile="graphs"),
        plan_epoch(16, 0, batch_size=8, draw=lambda g: draw_params(Recipe(), 16, 32, g)),
    )
    eager, learner = (tiny.learner(net(), compute) for _ in range(2))
    steps = faster_steps(learner, config, compute, SINGLE, 16, Reporter())
    train_epoch(eager, samples, plan, compute)
    train_epoch(learner, samples, plan, compute, steps=steps)
    for name, tensor in eager.tensors().items():
        torch.testing.assert_close(learner.tensors()[name], tensor, atol=1e-2, rtol=1e-2, msg=name)
