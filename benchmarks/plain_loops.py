"""Two ways to train the same network without hiertax's engine: as its paper's code does, and as one would today.

What is known of the former: fp32, images decoded and transformed by PIL and torchvision in the workers of a
DataLoader, labels of the upper levels looked up in Python sample by sample for every batch, the loss fetched from the
device at every step, batch 64, plain SGD.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from statistics import fmean
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import SGD
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from taxonomy.hierarchy import IntArray
from trainer.data.datasets import Split
from trainer.models.backbones.interface import IMAGENET
from trainer.models.methods import Network


@dataclass(frozen=True)
class Job:
    """What every contestant does, on the same images.

    Attributes
    ----------
    train, test
        The images of one epoch and of one evaluation.
    paths
        int64 ``[classes, K]``: for each class its label index at every level.
    network
        Returns a new network, the same for all, on the CPU.
    """

    train: Split
    test: Split
    paths: IntArray
    network: Callable[[], Network]
    image_size: int
    batch: int
    workers: int
    device: torch.device


class Contestant(Protocol):
    """A way to train.

    Attributes
    ----------
    dtype
        What autocast computes in; float32 where there is no autocast.
    waited
        Seconds of the last epoch in which it waited for images.
    """

    dtype: torch.dtype
    waited: float

    def train(self, steps: int | None = None) -> float:
        """Train one epoch, or some steps of one; return the mean loss."""

    def evaluate(self, steps: int | None = None) -> list[float]:
        """Score the test images, or some batches of them; return the accuracy of every level."""


class PlainImages(Dataset[tuple[Tensor, int]]):
    """Files decoded and augmented one by one on the CPU, as the paper's recipe has it."""

    def __init__(self, split: Split, size: int, *, training: bool) -> None:
        self.split = split
        augment = [transforms.RandomCrop(size, padding=4), transforms.RandomHorizontalFlip()]
        self.transform = transforms.Compose(
            [
                transforms.Resize((size, size)),
                *(augment if training else []),
                transforms.ToTensor(),
                transforms.Normalize(IMAGENET.mean, IMAGENET.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with Image.open(self.split.paths[index]) as image:
            return self.transform(image.convert("RGB")), int(self.split.labels[index])


def loaders(job: Job, **options: Any) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Return loaders of training batches, shuffled and all full, and of test batches."""
    options |= {"batch_size": job.batch, "num_workers": job.workers}
    if job.workers:
        options["multiprocessing_context"] = "fork"  # the quickest to start; others import everything anew
    train, test = (
        PlainImages(split, job.image_size, training=training)
        for split, training in ((job.train, True), (job.test, False))
    )
    return DataLoader(train, shuffle=True, drop_last=True, **options), DataLoader(test, **options)


def sgd(network: Network, **options: Any) -> SGD:
    """Return the paper's SGD: the backbone on a tenth of the learning rate."""
    backbone = [p for name, p in network.named_parameters() if name.startswith("backbone")]
    rest = [p for name, p in network.named_parameters() if not name.startswith("backbone")]
    groups = [{"params": rest, "lr": 0.1}, {"params": backbone, "lr": 0.01}]
    return SGD(groups, momentum=0.9, weight_decay=5e-4, **options)


def loss_of(logits: list[Tensor], targets: Tensor) -> Tensor:
    """Return the sum over levels of the cross-entropy, for targets ``[B, K]``."""
    losses = [cross_entropy(z, y) for z, y in zip(logits, targets.unbind(1), strict=True)]
    return torch.stack(losses).sum()


def right(logits: list[Tensor], targets: Tensor) -> Tensor:
    """Tell for each image and level whether the answer is right, bool ``[B, K]``."""
    return torch.stack([z.argmax(1) for z in logits], dim=1).eq(targets)


def waiting(batches: Iterable[Any], contestant: Contestant) -> Iterator[Any]:
    """Yield batches, and add to the contestant's account the seconds that each was waited for."""
    iterator = iter(batches)
    while True:
        asked = time.perf_counter()
        batch = next(iterator, None)
        contestant.waited += time.perf_counter() - asked
        if batch is None:
            return
        yield batch


class Official:
    """The official way."""

    dtype = torch.float32

    def __init__(self, job: Job) -> None:
        self.device = job.device
        self.network = job.network().to(job.device)
        self.optimizer = sgd(self.network)
        self.train_loader, self.test_loader = loaders(job)
        self.parents = {label: tuple(path) for label, path in enumerate(job.paths.tolist())}

    def targets(self, labels: Tensor) -> Tensor:
        """Look the labels of all levels up, sample by sample."""
        rows = [self.parents[label] for label in labels.tolist()]
        return torch.tensor(rows).to(self.device)

    def train(self, steps: int | None = None) -> float:
        """Train one epoch, or some steps of one; return the mean loss."""
        self.network.train()
        losses, self.waited = [], 0.0
        for images, labels in islice(waiting(self.train_loader, self), steps):
            images, targets = images.to(self.device), self.targets(labels)
            self.optimizer.zero_grad()
            loss = loss_of(self.network(images), targets)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return fmean(losses)

    @torch.no_grad()
    def evaluate(self, steps: int | None = None) -> list[float]:
        """Score the test images, or some batches of them; return the accuracy of every level."""
        self.network.eval()
        hits = []
        for images, labels in islice(self.test_loader, steps):
            hits.append(right(self.network(images.to(self.device)), self.targets(labels)).cpu())
        return torch.cat(hits).float().mean(0).tolist()


class Plain:
    """A good plain loop: mixed precision and channels last, a loader that never starts anew, no waiting in a step."""

    def __init__(self, job: Job) -> None:
        torch.backends.cudnn.benchmark = True
        self.device, on_gpu = job.device, job.device.type == "cuda"
        self.dtype = torch.bfloat16 if on_gpu else torch.float32
        self.network = job.network().to(job.device).to(memory_format=torch.channels_last)
        self.optimizer = sgd(self.network, fused=True)
        self.train_loader, self.test_loader = loaders(job, pin_memory=on_gpu, persistent_workers=job.workers > 0)
        self.paths = torch.tensor(job.paths, device=job.device)

    def moved(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Send a batch to the device and look the labels of all levels up there."""
        images = images.to(self.device, non_blocking=True).contiguous(memory_format=torch.channels_last)
        return images, self.paths[labels.to(self.device, non_blocking=True)]

    def train(self, steps: int | None = None) -> float:
        """Train one epoch, or some steps of one; return the mean loss."""
        self.network.train()
        losses, self.waited = [], 0.0
        for batch in islice(waiting(self.train_loader, self), steps):
            images, targets = self.moved(*batch)
            with autocast(self.dtype, self.device):
                loss = loss_of(self.network(images), targets)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())  # fetched once, at the end
        return torch.stack(losses).mean().item()

    @torch.inference_mode()
    def evaluate(self, steps: int | None = None) -> list[float]:
        """Score the test images, or some batches of them; return the accuracy of every level."""
        self.network.eval()
        hits = []
        for batch in islice(self.test_loader, steps):
            images, targets = self.moved(*batch)
            with autocast(self.dtype, self.device):
                hits.append(right(self.network(images), targets))
        return torch.cat(hits).float().mean(0).tolist()


def autocast(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Return a context that computes in `dtype`; it does nothing for float32."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def network_step(job: Job, dtype: torch.dtype) -> Callable[[], None]:
    """Return one eager forward and backward pass of the network in a number format, on made-up images."""
    network = job.network().to(job.device).to(memory_format=torch.channels_last).train()
    images = torch.randn(job.batch, 3, job.image_size, job.image_size, device=job.device)
    images = images.to(memory_format=torch.channels_last)
    targets = torch.tensor(job.paths[job.train.labels[: job.batch]], device=job.device)

    def step() -> None:
        with autocast(dtype, job.device):
            loss = loss_of(network(images), targets)
        loss.backward()

    return step
