"""What is decided and said between loading and learning."""

import re
from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch

from taxonomy import Hierarchy, HiertaxError
from trainer.config import Config
from trainer.data.labelled import LabelledDataset
from trainer.models.methods import build_network
from trainer.runtime.device import Compute
from trainer.runtime.processes import SINGLE, ProcessGroup
from trainer.runtime.progress import Reporter
from trainer.training import compiling as prepare
from trainer.training import foresight
from trainer.training.foresight import check_batch_fits, foresee, kept_for_backward
from trainer.training.ineffective import without_effect
from trainer.training.loop import Training

# What is learned from


def test_priors_count_the_images_that_are_learned_from_alone(patches, own_patches):
    for i in range(4):
        (own_patches / "train" / "red" / f"{i}.png").write_bytes(b"no picture")
    config = Config(
        data=str(own_patches), image_size=32, batch_size=8, device="cpu", logit_adjustment=1.0, skip_bad_images=True
    )
    task = LabelledDataset.prepare(config, Hierarchy.load(patches.hierarchy), Reporter(silent=True))
    training = Training.prepare(config, task, tiny.network(), SINGLE, Reporter(silent=True))
    for known, priors in zip(training.images.train.targets.T, training.learner.objective.priors, strict=True):
        assert torch.allclose(priors.exp(), known.bincount() / len(known))
    assert len(training.images.train) == len(task.dataset.train) - 4


# Whether to compile


def faster_steps(learner, config, *, group=SINGLE, images=16):
    return prepare.faster_steps(learner, config, tiny.CPU, group, images, Reporter())


@pytest.mark.parametrize("asked", ["auto", "off"])
def test_on_a_cpu_nothing_is_compiled_unless_asked_for(monkeypatch, capsys, asked):
    monkeypatch.delattr(torch, "compile")
    learner = tiny.learner()
    assert faster_steps(learner, replace(tiny.CONFIG, compile=asked, epochs=10**6)) is learner.steps
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("changes", "images"), [({}, 100), ({"freeze_backbone": True}, 10**6), ({"compile": "off"}, 10**6)]
)
def test_on_a_gpu_nothing_is_compiled_where_it_does_not_pay(monkeypatch, changes, images):
    monkeypatch.setattr(Compute, "on_gpu", property(lambda _: True))
    monkeypatch.delattr(torch, "compile")
    learner = tiny.learner()
    assert faster_steps(learner, replace(tiny.CONFIG, epochs=1, **changes), images=images) is learner.steps


@pytest.mark.parametrize(
    ("changes", "group", "mode"),
    [({}, SINGLE, "reduce-overhead"), ({"accumulate": 2}, SINGLE, None), ({}, ProcessGroup(0, 2), None)],
    ids=["whole batches", "parts keep gradients between calls", "so do several processes"],
)
def test_on_a_gpu_whole_steps_become_a_graph(monkeypatch, changes, group, mode):
    asked = []

    def noting(step, *, mode):
        asked.append(mode)
        return step

    monkeypatch.setattr(torch, "compile", noting)
    monkeypatch.setattr(Compute, "on_gpu", property(lambda _: True))
    monkeypatch.setattr(Compute, "on_cuda", property(lambda _: True))
    faster_steps(tiny.learner(), replace(tiny.CONFIG, compile="on", **changes), group=group)
    assert asked == [mode]


# What is said beforehand


def warned(capsys, net=None, compute=tiny.CPU, **changes):
    foresee(net or tiny.network(), replace(tiny.CONFIG, **changes), compute, SINGLE, (100, 0), Reporter())
    return capsys.readouterr().err


def test_hours_on_a_cpu_are_said_at_once(capsys):
    said = warned(capsys, epochs=10**8)
    assert said.startswith("warning: 100000000 epochs will take about ")
    assert said.endswith(" hours on this CPU; `freeze_backbone` trains neck and heads alone, in minutes\n")


@pytest.mark.parametrize("changes", [{"epochs": 1}, {"epochs": 10**8, "freeze_backbone": True}])
def test_of_what_takes_minutes_nothing_is_said(capsys, changes):
    assert warned(capsys, **changes) == ""


def test_a_gpu_is_not_asked_how_long_it_takes(capsys):
    assert warned(capsys, compute=Compute(torch.device("cuda")), epochs=10**8) == ""


def test_a_batch_that_cannot_fit_is_refused_before_anything_is_decoded_and_what_would_fit_is_named(monkeypatch):
    config, free = replace(tiny.CONFIG, batch_size=48, accumulate=2), 10**10
    monkeypatch.setattr(foresight, "free_memory", lambda: free)  # on a busy machine it is another at each look
    check_batch_fits(config, 0.9 * free / 24, 1000)
    check_batch_fits(config, 0.9 * free / 8, 16)  # of fewer images a batch is smaller
    with pytest.raises(HiertaxError) as caught:
        check_batch_fits(config, free / 14, 1000)
    assert re.fullmatch(
        r"`batch_size` 48: 24 images of 32 px at a time take more than \S+ GB of memory, \S+ GB are free; "
        "try `batch_size` 16, or `accumulate` 6, which computes the same batches in parts",
        str(caught.value),
    )
    with pytest.raises(HiertaxError, match="try a smaller `image_size` or `backbone`"):
        check_batch_fits(config, free, 1000)


def test_a_run_of_a_batch_that_cannot_fit_does_not_begin():
    config = replace(tiny.CONFIG, batch_size=10**9)
    with pytest.raises(HiertaxError, match="1000000000 images of 32 px at a time take more than"):
        foresee(tiny.network(), config, tiny.CPU, SINGLE, (10**9, 0), Reporter())


def test_what_a_step_keeps_is_each_tensor_once_without_the_weights():
    layer, x = torch.nn.Linear(3, 5), torch.randn(2, 3)
    with kept_for_backward(layer) as kept:
        y = layer(x).sigmoid()
        (y * y).sum().backward()
        assert kept() == 4 * (2 * 3 + 2 * 5)  # x, and y twice


@pytest.mark.parametrize("make", [tiny.network, tiny.TwoSteps])
def test_measuring_changes_nothing(capsys, make):
    net = make()
    before = tiny.state(net)
    warned(capsys, net)
    assert tiny.same(before, tiny.state(net))
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize(
    ("changes", "processes", "expected"),
    [
        ({}, 1, "; batch 64; learning rate 0.1, backbone 0.01"),
        ({"freeze_backbone": True}, 1, "; batch 64; learning rate 0.1"),
        ({"accumulate": 4}, 1, "; batch 64 (4 parts x 16); learning rate 0.1, backbone 0.01"),
        ({}, 2, "; batch 64 (2 processes x 32); learning rate 0.1, backbone 0.01"),
        ({"accumulate": 4}, 2, "; batch 64 (2 processes x 4 parts x 8); learning rate 0.1, backbone 0.01"),
    ],
)
def test_what_is_about_to_be_computed_is_one_line(capsys, changes, processes, expected):
    config, compute = replace(tiny.CONFIG, batch_size=64, **changes), tiny.on_cpu(torch.bfloat16)
    prepare.announce(config, compute, ProcessGroup(0, processes), {"training": 24, "test": 11}, Reporter())
    line = capsys.readouterr().err
    assert line == f"ours, resnet10 on {compute}; 24 training, 11 test images{expected}\n"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"crop": "resized", "crop_area": 0.4, "mixup": 0.2, "freeze_backbone": False, "momentum": 0.5}, []),
        ({"mixup": 0.2, "freeze_backbone": True}, ["`mixup` 0.2 has no effect: a frozen backbone sees every"]),
        ({"crop_area": 0.4}, ["`crop_area` 0.4 has no effect: it is of `crop` resized"]),
        ({"optimizer": "adamw", "momentum": 0.5}, ["`momentum` 0.5 has no effect: it is of `optimizer` sgd"]),
        ({"method": "ft", "level_weights": "1,0,0"}, ["`level_weights` 1,0,0 has no effect: ft learns the finest"]),
        (
            {"balance": True, "logit_adjustment": 1.0},
            ["`balance` and `logit_adjustment` both make up for rare classes"],
        ),
        ({"batch_size": 64}, ["`batch_size` 64: there are 24 training images, so that a batch is all"]),
    ],
)
def test_settings_that_change_nothing_are_said(changes, said):
    config = replace(tiny.CONFIG, **changes)
    network = build_network(config.method, config.backbone, (2, 3, 4), frozen=config.freeze_backbone,
                            paths=np.array([[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]]))  # fmt: skip
    found = without_effect(config, network, 24)
    assert len(found) == len(said)
    assert all(note.startswith(begin) for note, begin in zip(found, said, strict=True))


def test_statistics_of_a_backbone_without_batch_norms_are_nothing_to_choose():
    config = replace(tiny.CONFIG, backbone="timm/test_vit", weights="w.pt", norm_statistics="pretrained")
    network = build_network(config.method, config.backbone, (2, 3), image_size=32)
    assert without_effect(config, network, 24) == [
        "`norm_statistics` pretrained has no effect: timm/test_vit has no batch norms"
    ]
