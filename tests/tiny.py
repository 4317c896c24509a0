"""What tests of training share: networks of real parts that are computed in no time, and samples for them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from trainer.config import HEAD_METHODS, METHODS, Config
from trainer.data.augment import AugmentationParams
from trainer.data.inputs import ArrayInputs
from trainer.data.samples import Samples
from trainer.models.backbones.interface import Backbone
from trainer.models.heads import Classifier, Levels, Neck, SharedHeads
from trainer.models.losses import loss_and_hits
from trainer.models.methods import build_network, method_of
from trainer.models.single import SingleNetwork
from trainer.runtime.device import Compute
from trainer.training.learner import Learner

CPU = Compute(torch.device("cpu"))
CONFIG = Config(hierarchy="none.json", data="none", backbone="resnet10", weights="none", batch_size=8, image_size=32)
SIZES, CHANNELS, WIDTH = (2, 4), 6, 13  # 13 = 7 + 6 is not divisible
LEVELS = len(SIZES)
PADDING = 4  # of images before they are cropped
PARTS = [slice(0, 7), slice(7, 13)]  # of f, by level
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

FINEST_ONLY = ("mc", "nts", "pmg", "ft")  # methods with no head at coarser levels
FREEZABLE = (*HEAD_METHODS, "ours_variant", "ft")  # those that can learn from features
LOOKING = tuple(method for method in METHODS if method not in FREEZABLE)  # and those that look at images

each_dtype = pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)


def generator(seed=0):
    """Return a generator of random numbers of a seed."""
    return torch.Generator().manual_seed(seed)


def on_cpu(dtype):
    """Return how to compute on the CPU in some precision."""
    return Compute(torch.device("cpu"), dtype)


class OneConvolution(Backbone):
    """A backbone of one convolution."""

    name, widths = "one convolution", (CHANNELS,)

    def __init__(self, dropout=0.0):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, CHANNELS, 3, stride=2), nn.BatchNorm2d(CHANNELS), nn.ReLU(), nn.Dropout(dropout)
        )

    def maps(self, images):
        return [self.layers(images)]


class ThreeConvolutions(Backbone):
    """A backbone of three convolutions, each a stage."""

    name, widths = "three convolutions", (CHANNELS, 2 * CHANNELS, 3 * CHANNELS)

    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU())
            for channels, width in zip((3, *self.widths), self.widths, strict=False)
        )

    def maps(self, images):
        return [images := stage(images) for stage in self.stages]


def paths(sizes=SIZES):
    """Return the label at every level of each of the finest, in a tree that branches as evenly as it can."""
    columns = [np.arange(sizes[-1])]
    for coarse, fine in zip(sizes[-2::-1], sizes[:0:-1], strict=True):
        columns.append(columns[-1] * coarse // fine)
    return np.stack(columns[::-1], axis=1)


def build(method, sizes=SIZES, backbone="resnet10", **how):
    """Return a method's network over a real backbone, for a tree of these sizes."""
    return build_network(method, backbone, sizes, paths=paths(sizes), **how)


@contextmanager
def narrow_stages():
    """Make what methods of several stages compute at each of them narrow."""
    with pytest.MonkeyPatch.context() as narrow:
        narrow.setattr("trainer.models.progressive.REDUCED", CHANNELS)
        narrow.setattr("trainer.models.progressive.WIDTH", 4 * CHANNELS)
        yield


def of_stages(method, *, seed=0, sizes=SIZES, width=WIDTH):
    """Return any method's network over a backbone of three convolutions, with all its own layers made narrow."""
    torch.manual_seed(seed)
    made = method_of(method)
    options = made.Options(**({"width": width} if hasattr(made.Options, "width") else {}))
    with narrow_stages():
        return made.build(Levels(sizes, paths(sizes)), ThreeConvolutions, options, frozen=False)


def network(method="ours", *, dropout=0.0, seed=0, sizes=SIZES):
    """Return a method's network over a backbone of one convolution, with its own neck and heads made narrow."""
    torch.manual_seed(seed)
    made = method_of(method)
    return made.build(Levels(sizes), lambda: OneConvolution(dropout), made.Options(width=WIDTH), frozen=False)


class TwoSteps(SingleNetwork):
    """Learns by two steps a batch, each on another view of the images and by a classifier of its own.

    Neither step uses what the other one's classifier consists of. The first view is of blocks in random order, the same
    for all images; the answers are those of the second classifier, to whole images.
    """

    can_freeze = False
    uses_all_parameters = False

    def __init__(self, dropout=0.0, seed=0):
        torch.manual_seed(seed)
        super().__init__(OneConvolution(dropout), self._classifier())
        self.first = self._classifier()

    @staticmethod
    def _classifier():
        return Classifier(Neck(CHANNELS, WIDTH), SharedHeads(WIDTH, SIZES))

    def training_steps(self):
        return (self._first_step, partial(loss_and_hits, self))

    def _first_step(self, images, targets, share, ancestors):
        order = torch.randperm(4, device=images.device)
        blocks = torch.stack([block for rows in images.chunk(2, 2) for block in rows.chunk(2, 3)])[order]
        mixed = torch.cat([torch.cat(list(blocks[i : i + 2]), dim=3) for i in (0, 2)], dim=2)
        loss, hits = loss_and_hits(lambda inputs: self.first(self.embed(inputs)), mixed, targets, share, ancestors)
        return loss, torch.zeros_like(hits)


def learner(net=None, compute=CPU, *, levels=LEVELS, **changes):
    """Return what learns with a tiny network, or another; `changes` are of its config."""
    return Learner(net or network(), replace(CONFIG, **changes), compute, levels)


def images(count=16, size=32):
    """Return images of noise whose brightness tells the finest of four labels, and its parent."""
    fine = torch.arange(count) % 4
    noise = torch.randint(0, 64, (count, 3, size, size), dtype=torch.uint8, generator=generator(2))
    return Samples(ArrayInputs(noise + (60 * fine).to(torch.uint8).view(-1, 1, 1, 1)), _targets(fine))


def unchanged_images(count):
    """Return what draws no augmentation for `plan_epoch`."""
    draws = AugmentationParams(torch.full((count, 2), PADDING), torch.zeros(count, dtype=torch.bool))
    return lambda _: draws


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
