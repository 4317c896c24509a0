"""How a network is computed: on which device, in which precision, with how many threads."""

import ctypes
from dataclasses import replace

import joblib
import pytest
import tiny
import torch

from taxonomy import HiertaxError
from trainer.data.augment import Recipe, draw_params
from trainer.inference.decoding import top_labels
from trainer.inference.forward import predict_logits
from trainer.models.losses import loss_and_hits, multi_level_loss
from trainer.runtime.device import choose, find_device, find_precision, unchanged, use_cpu_well
from trainer.training.epoch import plan_epoch, train_epoch
from trainer.training.optimizer import make_optimizer

# What a device and a precision are chosen by


@pytest.mark.parametrize(("name", "dtype"), tiny.DTYPES.items())
def test_a_precision_asked_for_is_taken_anywhere(name, dtype):
    assert find_precision(name, torch.device("cpu")) == find_precision(name, torch.device("cuda")) == dtype


@pytest.mark.parametrize(("able", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_left_open_it_is_what_the_device_is_fast_in(monkeypatch, able, dtype):
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda *, including_emulation: able and not including_emulation
    )
    assert find_precision("auto", torch.device("cuda")) == dtype
    assert find_precision("auto", torch.device("cpu")) == torch.float32


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "cpu:x"])
def test_a_device_that_is_not_there_is_one_line(name):
    with pytest.raises(HiertaxError, match=rf"^`device` {name}: not on this machine \(.+\); try `device` cpu$"):
        find_device(name)


def test_deterministic_is_asked_of_torch_and_taken_back(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    for wanted in (True, False):
        choose(replace(tiny.CONFIG, device="cpu", deterministic=wanted))
        assert torch.are_deterministic_algorithms_enabled() is wanted
        assert torch.backends.cudnn.benchmark is not wanted


@tiny.each_dtype
def test_under_autocast_parameters_losses_and_counts_stay_exact(dtype):
    """A thousand right answers must not become 1000 +- 4, as they would in half precision."""
    net, (images, targets) = tiny.network(), tiny.batch()
    with tiny.on_cpu(dtype).autocast():
        assert net(images)[0].dtype == dtype
        loss, right = loss_and_hits(net, images, targets, None)
    loss.backward()
    assert (loss.dtype, right.dtype) == (torch.float32, torch.int64)
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in net.parameters())


# Learning in every precision


@tiny.each_dtype
def test_every_precision_learns_what_is_plain_to_see(dtype):
    compute, samples = tiny.on_cpu(dtype), tiny.images(32, size=16)
    learner = tiny.learner(compute=compute, learning_rate=0.05, backbone_learning_rate=0.05)
    losses = []
    while learner.epoch < 12:
        plan = plan_epoch(
            32, learner.epoch, batch_size=8, draw=lambda generator: draw_params(Recipe(), 32, 16, generator)
        )
        train_epoch(learner, samples, plan, compute)
        losses.append(learner.finish_epoch()[0])
    assert losses[-1] < losses[0] / 2
    assert all(tensor.isfinite().all() for tensor in learner.tensors().values())
    labels = top_labels(predict_logits(learner.network, samples.inputs, batch_size=8, compute=compute))
    assert (labels == samples.targets).float().mean() > 0.9


def test_a_scaler_that_skips_the_first_steps_leaves_weights_and_momentum_as_they_were():
    """Fused SGD would leave momentum uninitialised."""
    compute = tiny.on_cpu(torch.float16)
    learner, (images, targets) = tiny.learner(compute=compute), tiny.batch()
    before = learner.tensors()
    for _ in range(2):
        loss, _ = loss_and_hits(learner.network.eval(), images, targets, None)
        learner.backward(loss * float("inf"))
        learner.move_weights()
    assert tiny.same(before, learner.tensors())
    assert learner.progress()["scaler"]["scale"] == 2.0**14


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_fused_sgd_is_sgd(momentum):
    nets = [tiny.network(), tiny.network()]
    config = replace(tiny.CONFIG, momentum=momentum)
    fused = make_optimizer(nets[0], config)
    plain = torch.optim.SGD(
        [{**group, "params": list(params)} for group, params in zip(
            ({"lr": config.learning_rate}, {"lr": config.backbone_learning_rate}),
            (nets[1].classifier.parameters(), nets[1].backbone.parameters()), strict=True,
        )], momentum=momentum, weight_decay=config.weight_decay, fused=False,
    )  # fmt: skip
    images, targets = tiny.batch()
    for _ in range(4):
        for net, optimizer in zip(nets, (fused, plain), strict=True):
            optimizer.zero_grad()
            multi_level_loss(net.eval()(images), targets).backward()
            optimizer.step()
    for a, b in zip(*(net.parameters() for net in nets), strict=True):
        torch.testing.assert_close(a, b)


def test_averaged_weights_follow_the_formula_and_so_do_running_statistics():
    decay, (images, targets) = 0.8, tiny.batch()
    learner = tiny.learner(ema=decay)
    expected = {name: t.double() for name, t in tiny.state(learner.network).items() if t.is_floating_point()}
    for _ in range(5):
        loss, _ = loss_and_hits(learner.network.train(), images, targets, None)
        learner.backward(loss)
        learner.move_weights()
        learner.finish_step()
        for name, tensor in learner.network.state_dict().items():
            if name in expected:
                expected[name] = decay * expected[name] + (1 - decay) * tensor
    answering = learner.answering.state_dict()
    assert learner.answering is not learner.network
    for name, tensor in expected.items():
        torch.testing.assert_close(answering[name].double(), tensor, atol=1e-5, rtol=1e-5)


def test_without_averages_the_network_itself_answers():
    learner = tiny.learner()
    assert learner.answering is learner.network


# The machine


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_the_threads_asked_for_are_kept(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    torch.set_num_threads(2)
    use_cpu_well()
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("threads")
def test_no_more_threads_than_the_container_has_cores_nor_than_torch_would_take(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for own, cores, expected in ((8, 3, 3), (2, 64, 2)):
        torch.set_num_threads(own)
        monkeypatch.setattr(joblib, "cpu_count", lambda cores=cores: cores)
        use_cpu_well()
        assert torch.get_num_threads() == expected


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("count", "told"), [(1, "CPU, 1 thread, bf16"), (2, "CPU, 2 threads, bf16")])
def test_a_cpu_is_told_with_its_threads_and_precision(count, told):
    torch.set_num_threads(count)
    assert str(tiny.on_cpu(torch.bfloat16)) == told


@pytest.mark.parametrize("libc", [lambda _: 1 / 0, lambda _: object()], ids=["none", "another"])
@pytest.mark.usefixtures("threads")
def test_another_c_library_is_left_alone(monkeypatch, libc):
    def load(name):
        try:
            return libc(name)
        except ZeroDivisionError:
            raise OSError(f"{name}: cannot open shared object file") from None

    monkeypatch.setattr(ctypes, "CDLL", load)
    use_cpu_well()


# A try-out that leaves no trace


def test_unchanged_gives_buffers_back_and_takes_gradients_away_even_after_an_error():
    net, (images, targets) = tiny.network().train(), tiny.batch()
    before, addresses = tiny.state(net), [buffer.data_ptr() for buffer in net.buffers()]

    def fail_late():
        loss, _ = loss_and_hits(net, images, targets, None)
        loss.backward()
        assert not tiny.same(before, tiny.state(net))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), unchanged(net):
        fail_late()
    assert tiny.same(before, tiny.state(net))
    assert addresses == [buffer.data_ptr() for buffer in net.buffers()]  # which a recorded graph goes by
    assert all(p.grad is None for p in net.parameters())
