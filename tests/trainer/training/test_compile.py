"""A compiled network is the network: the stop of Gamma stays exact, a step moves the weights as it did without.

Zeros are exact zeros: under autocast and in a compiled graph a gradient that is stopped is as absent as without.
"""

import shutil
from dataclasses import replace
from functools import partial

import pytest
import tiny
import torch
from torch.nn.functional import cross_entropy

from taxonomy import HiertaxError
from trainer.data.augment import Recipe, draw_params
from trainer.data.inputs import ArrayInputs
from trainer.models.losses import loss_and_hits
from trainer.models.methods import build_network
from trainer.runtime.device import Compute, compile_step
from trainer.runtime.processes import SINGLE
from trainer.runtime.progress import Reporter
from trainer.training import compiling as prepare
from trainer.training.epoch import plan_epoch, train_epoch

LEVELS = range(len(tiny.SIZES))
GAP = {torch.float32: 1e-5, torch.bfloat16: 4e-2, torch.float16: 5e-3}  # what rounding and its order may change

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="no C++ compiler to compile with"
)


@pytest.fixture
def traced(monkeypatch):
    """Let ``torch.compile`` trace and differentiate as it does, but generate no code: no compiler is needed."""
    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    yield
    torch.compiler.reset()


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """Where generated code lies, apart from what other runs on this machine have left."""
    return tmp_path_factory.mktemp("code")


@pytest.fixture
def generated(monkeypatch, code):
    """Let ``torch.compile`` generate code, in this process, for what the processor says that it has, untried."""
    import torch._inductor.config as inductor

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(code))
    torch.compiler.reset()
    with inductor.patch({"compile_threads": 1, "cpp.vec_isa_ok": True}):
        yield
    torch.compiler.reset()


# Gamma, whatever computes it


@pytest.mark.parametrize("wrap", [lambda heads: heads, partial(torch.compile, backend="aot_eager", fullgraph=True)],
                         ids=["eager", "compiled"])  # fmt: skip
@tiny.each_dtype
@pytest.mark.parametrize("method", ["ours", "ours_single", "vanilla_single"])
@pytest.mark.usefixtures("traced")
def test_a_head_learns_from_all_that_it_reads_and_its_loss_reaches_its_own_part_of_f_alone(method, dtype, wrap):
    """But that of a vanilla head reaches every part."""
    torch.manual_seed(0)
    heads, (_, targets) = wrap(tiny.network(method).classifier.heads), tiny.batch()
    for k in LEVELS:
        heads.zero_grad(set_to_none=True)
        f = torch.randn(len(targets), tiny.WIDTH, generator=tiny.generator(), requires_grad=True)
        with tiny.on_cpu(dtype).autocast():
            loss = cross_entropy(heads(f)[k], targets[:, k])
        loss.backward()
        reached = [bool((f.grad[:, part] != 0).any()) for part in tiny.PARTS]
        assert reached == [method == "vanilla_single" or j == k for j in LEVELS]
        assert (heads.heads[k].weight.grad != 0).all()


def gradients(step, net, images, targets, dtype):
    """What a training step leaves in the neck's linear layer, by part of f, and in the coarsest head."""
    net.zero_grad(set_to_none=True)
    with tiny.on_cpu(dtype).autocast():
        loss, _ = step(net, images, targets, None)
    loss.backward()
    linear = net.classifier.neck[1].weight.grad
    return [linear[part].clone() for part in tiny.PARTS], net.classifier.heads.heads[0].weight.grad.clone()


def check_a_whole_step(method, dtype, step):
    """Other labels at one level must change what its own part of the neck learns, and in no other a single bit."""
    net, (images, targets) = tiny.network(method).train(), tiny.batch()
    before, coarsest = gradients(step, net, images, targets, dtype)
    assert (coarsest != 0).all()  # on the columns of the finer parts as well
    for k in LEVELS:
        changed = targets.clone()
        changed[:, k] = (changed[:, k] + 1) % tiny.SIZES[k]
        after, _ = gradients(step, net, images, changed, dtype)
        reached = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
        assert reached == [method == "vanilla_single" or j == k for j in LEVELS]


@pytest.mark.parametrize("method", ["ours", "ours_single", "vanilla_single"])
@tiny.each_dtype
def test_in_a_training_step_a_part_of_the_neck_learns_from_its_own_level_alone(method, dtype):
    check_a_whole_step(method, dtype, loss_and_hits)


@pytest.mark.parametrize(
    ("method", "precision"),
    [("ours", "fp32"), ("ours", "bf16"), ("ours", "fp16"), ("ours_single", "bf16"), ("vanilla_single", "bf16")],
)
@pytest.mark.usefixtures("traced")
def test_in_a_traced_training_step_too(method, precision):
    check_a_whole_step(method, tiny.DTYPES[precision], torch.compile(loss_and_hits, fullgraph=True))


@pytest.mark.slow
@needs_compiler
@pytest.mark.usefixtures("generated")
def test_in_a_training_step_of_generated_code_too():
    check_a_whole_step("ours", torch.bfloat16, torch.compile(loss_and_hits, fullgraph=True))


# A compiled step is the step


def stepped(step, dtype, share=None, method="ours"):
    """Loss, right answers and weights after one step of training."""
    learner, (images, targets) = tiny.learner(tiny.network(method), tiny.on_cpu(dtype)), tiny.batch()
    with tiny.on_cpu(dtype).autocast():
        loss, right = step(learner.network.train(), images, targets, share)
    learner.backward(loss)
    learner.move_weights()
    return loss.detach(), right, tiny.state(learner.network)


def check_compiled(step, dtype, share, method="ours"):
    eager_loss, eager_right, eager = stepped(loss_and_hits, dtype, share, method)
    loss, right, weights = stepped(step, dtype, share, method)
    assert torch.equal(right, eager_right)
    torch.testing.assert_close(loss, eager_loss, atol=GAP[dtype], rtol=GAP[dtype])
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, eager[name], atol=GAP[dtype], rtol=GAP[dtype], msg=name)


@tiny.each_dtype
@pytest.mark.usefixtures("traced")
def test_a_compiled_step_moves_the_weights_as_the_eager_one(dtype):
    check_compiled(torch.compile(loss_and_hits, fullgraph=True), dtype, None)


@pytest.mark.parametrize("method", ["ours_single", "vanilla_single", "vanilla_multi"])
@pytest.mark.usefixtures("traced")
def test_so_does_that_of_every_method_on_mixed_images(method):
    check_compiled(torch.compile(loss_and_hits, fullgraph=True), torch.float32, torch.linspace(0, 1, 8), method)


@pytest.mark.slow
@needs_compiler
@pytest.mark.usefixtures("generated")
def test_a_step_of_generated_code_moves_the_weights_as_the_eager_one():
    """By the code that is generated already."""
    check_compiled(torch.compile(loss_and_hits, fullgraph=True), torch.bfloat16, None)


@pytest.mark.usefixtures("traced")
def test_a_whole_network_is_one_graph():
    torch.manual_seed(0)
    net, (_, targets) = build_network("ours", "resnet10", tiny.SIZES).train(), tiny.batch()
    images = torch.randn(8, 3, 32, 32)
    expected, _ = loss_and_hits(net, images, targets, None)
    loss, _ = torch.compile(loss_and_hits, fullgraph=True)(net, images, targets, None)
    torch.testing.assert_close(loss, expected)


def faster_steps(learner, config, *, group=SINGLE, images=16):
    return prepare.faster_steps(learner, config, tiny.CPU, group, images, Reporter())


@pytest.mark.parametrize(
    ("changes", "recipe", "frozen"),
    [({}, {}, False), ({"mixup": 0.2}, {"mixup": 0.2}, False), ({"accumulate": 2}, {}, False),
     ({"batch_size": 64}, {}, False), ({"freeze_backbone": True}, {}, True)],
    ids=["plain", "mixed", "in parts", "fewer images than a batch", "frozen"],
)  # fmt: skip
@pytest.mark.usefixtures("traced")
def test_what_is_tried_out_is_what_training_calls(changes, recipe, frozen):
    """Else training would compile again, when nobody expects it."""
    from torch._dynamo.utils import counters

    config = replace(tiny.CONFIG, compile="on", **changes)
    net = tiny.network()
    net.backbone.requires_grad_(not frozen)
    learner, samples = tiny.learner(net, **changes), tiny.images()
    steps = faster_steps(learner, config)
    graphs = counters["stats"]["unique_graphs"]
    assert graphs > 0

    draws = None if frozen else lambda generator: draw_params(Recipe(**recipe), 16, 32, generator)
    if frozen:
        features = net.eval().embed(torch.randn(16, 3, 16, 16)).detach()
        samples = replace(samples, inputs=ArrayInputs(features))
    plan = plan_epoch(16, 0, batch_size=config.batch_size, parts=config.accumulate, draw=draws)
    train_epoch(learner, samples, plan, tiny.CPU, steps=steps)
    assert counters["stats"]["unique_graphs"] == graphs


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.usefixtures("traced")
def test_each_of_two_steps_is_compiled_and_moves_the_weights_as_the_eager_ones(parts):
    from torch._dynamo.utils import counters

    config, samples = replace(tiny.CONFIG, compile="on", accumulate=parts), tiny.images()
    plan = plan_epoch(16, 0, batch_size=8, parts=parts, draw=lambda g: draw_params(Recipe(), 16, 32, g))
    eager, compiled = (tiny.learner(tiny.TwoSteps(), accumulate=parts) for _ in range(2))
    steps = faster_steps(compiled, config)
    assert len(steps) == 2
    graphs = counters["stats"]["unique_graphs"]
    train_epoch(eager, samples, plan, tiny.CPU)
    train_epoch(compiled, samples, plan, tiny.CPU, steps=steps)
    assert counters["stats"]["unique_graphs"] == graphs
    for name, tensor in eager.tensors().items():
        torch.testing.assert_close(compiled.tensors()[name], tensor, msg=name)


@pytest.mark.usefixtures("traced")
def test_trying_out_changes_nothing_that_lasts():
    learner = tiny.learner(ema=0.9)
    before = learner.tensors()
    faster_steps(learner, replace(tiny.CONFIG, compile="on"))
    assert tiny.same(before, learner.tensors())
    assert all(p.grad is None for p in learner.network.parameters())


@pytest.mark.slow
@needs_compiler
@pytest.mark.usefixtures("generated")
def test_a_run_can_be_compiled(hiertrain, patches, tmp_path):
    """By the method that has the fewest layers to generate code for."""
    options = ("--compile", "on", "--method", "ft", "--freeze-backbone", "--out", tmp_path / "run")
    outcome = hiertrain(*patches.options(*options, epochs=1))
    assert outcome.code == 0, outcome
    assert "compiling the training step" in outcome.err


@pytest.fixture
def no_compiler():
    """Be on a machine where no C++ compiler is installed."""
    import torch._inductor.config as inductor

    with inductor.patch({"cpp.cxx": (None, "no-such-compiler")}):
        yield


@pytest.mark.usefixtures("generated", "no_compiler")
def test_without_a_compiler_what_was_asked_for_is_refused_in_one_line(hiertrain, patches, tmp_path):
    outcome = hiertrain(*patches.options("--compile", "on", "--freeze-backbone", "--out", tmp_path / "run"))
    *_, line = outcome.err.splitlines()
    assert line.startswith("error: --compile: compiling failed (")
    assert "no-such-compiler" in line
    assert line.endswith("); try --compile off")
    assert (outcome.code, (tmp_path / "run").exists()) == (1, False)


@pytest.mark.usefixtures("generated", "no_compiler")
def test_without_a_compiler_what_was_not_asked_for_is_left_out_and_said(monkeypatch, capsys):
    monkeypatch.setattr(Compute, "on_gpu", property(lambda _: True))
    config = replace(tiny.CONFIG, compile="auto", epochs=10**6)
    learner = tiny.learner()
    assert faster_steps(learner, config) is learner.steps
    assert capsys.readouterr().err.rstrip().endswith("; try `compile` off; going on without")


def test_a_failure_without_words_is_named_by_its_kind():
    def failing(_):
        raise NotImplementedError

    with pytest.raises(HiertaxError, match=r"^`compile`: compiling failed \(NotImplementedError\); try `compile` off$"):
        compile_step(loss_and_hits, failing, graphs=False)
