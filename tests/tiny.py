"""What tests of training share: networks of real parts that are computed in no time, and samples for them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from trainer.config import Config
from trainer.data.inputs import ArrayInputs
from trainer.data.samples import Samples
from trainer.models.heads import Classifier, Neck
from trainer.models.methods import HEADS, MultiNetwork, SingleNetwork
from trainer.runtime.device import Compute
from trainer.training.learner import Learner

CPU = Compute(torch.device("cpu"))
CONFIG = Config(hierarchy="none.json", data="none", backbone="resnet10", weights="none", batch_size=8, image_size=32)
SIZES, CHANNELS, WIDTH = (2, 4), 6, 13  # 13 = 7 + 6 is not divisible
PARTS = [slice(0, 7), slice(7, 13)]  # of f, by level
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

each_dtype = pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)


def generator(seed=0):
    """Return a generator of random numbers of a seed."""
    return torch.Generator().manual_seed(seed)


def on_cpu(dtype):
    """Return how to compute on the CPU in some precision."""
    return Compute(torch.device("cpu"), dtype)


def network(method="ours", *, dropout=0.0, seed=0):
    """Return a method's network over a backbone of one convolution, with its own neck and heads made narrow."""
    torch.manual_seed(seed)

    def backbone():
        return nn.Sequential(
            nn.Conv2d(3, CHANNELS, 3, stride=2), nn.BatchNorm2d(CHANNELS), nn.ReLU(), nn.Dropout(dropout)
        )

    def classifier(sizes):
        return Classifier(Neck(CHANNELS, WIDTH), HEADS[method](WIDTH, sizes))

    if method == "vanilla_multi":
        return MultiNetwork([backbone() for _ in SIZES], [classifier([size]) for size in SIZES])
    return SingleNetwork(backbone(), classifier(SIZES))


def learner(net=None, compute=CPU, **changes):
    """Return what learns with a tiny network, or another; `changes` are of its config."""
    return Learner(net or network(), replace(CONFIG, **changes), compute, len(SIZES))


def images(count=16, size=16):
    """Return images of noise whose brightness tells the finest of four labels, and its parent."""
    fine = torch.arange(count) % 4
    noise = torch.randint(0, 64, (count, 3, size, size), dtype=torch.uint8, generator=generator(2))
    return Samples(ArrayInputs(noise + (60 * fine).to(torch.uint8).view(-1, 1, 1, 1)), _targets(fine))


def batch(count=8):
    """Return normalised images and their targets."""
    noise = torch.randn(count, 3, 16, 16, generator=generator(1)).contiguous(memory_format=torch.channels_last)
    return noise, _targets(torch.arange(count) % 4)


def features(count=40, width=512):
    """Return pooled features that tell the finest label, and its parent, plainly."""
    fine = torch.arange(count) % 4
    inputs = torch.randn(count, width, generator=generator(1))
    inputs[torch.arange(count), fine] += 6
    return Samples(ArrayInputs(inputs), _targets(fine))


def _targets(fine):
    return torch.stack([fine // 2, fine], dim=1)


def state(module):
    """Return a copy of all weights and buffers."""
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(a, b):
    """Whether two sets of named tensors are equal to the bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
