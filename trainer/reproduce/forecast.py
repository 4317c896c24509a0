"""What is ahead, said before it is begun: how many runs, how long, how much disk."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch

from taxonomy import Hierarchy, HiertaxError
from trainer.config import Config
from trainer.data.labelled import LabelledDataset
from trainer.models.losses import PLAIN
from trainer.models.methods import Network, network_of
from trainer.models.stored import LAST
from trainer.reproduce.cells import Cell, Source
from trainer.runs.header import Header
from trainer.runs.log import read_log
from trainer.runtime.device import Compute, choose
from trainer.runtime.progress import Reporter

if TYPE_CHECKING:
    from trainer.reproduce.running import State

TRIED: Final = 8  # images of the step that is timed
KIND: Final = ("method", "method_options", "backbone", "image_size", "device", "precision", "freeze_backbone")
FORWARD: Final = 1 / 3  # of a training step's time, that scoring as many images takes
STATES: Final = {"sgd": 1, "adamw": 2}  # numbers that an optimiser keeps for each weight


@dataclass(frozen=True)
class Counts:
    """How many images a dataset has to train on and to score, and the hierarchy of its classes."""

    train: int
    test: int
    hierarchy: Hierarchy


@dataclass(frozen=True)
class Cost:
    """What a network takes.

    Attributes
    ----------
    speed
        Images a second in training; where the backbone is frozen, on their features.
    size
        Bytes of its run folder.
    seen
        Images a second that a frozen backbone sees.
    measured
        Whether that was found out just now.
    """

    speed: float
    size: int
    seen: float = math.inf
    measured: bool = False


def forecast(
    pending: Sequence[tuple[Cell, State]], sources: Sequence[Source], runs: Path, jobs: int, reporter: Reporter
) -> None:
    """Say how many runs are left to do, how long that takes and how much disk.

    The speed of a network is that of runs of its kind that are there already; else a step of its training is timed on
    made-up images.

    Raises
    ------
    HiertaxError
        If there is not enough disk; and as `LabelledDataset.prepare` and `network_of`.
    """
    begin = time.perf_counter()
    configs = {cell.source: cell.config for cell, _ in reversed(pending)}
    counts = {source.key: _count(source, configs[source.key], reporter) for source in sources if source.key in configs}
    costs, seconds, size, looked = _known(runs), 0.0, 0, set[str]()
    for cell, state in pending:
        own = counts[cell.source]
        kind = _kind(cell.config)
        if kind not in costs:
            costs[kind] = _measure(cell.config, own)
        seconds += _seconds(cell, state.epochs, own, costs[kind], looked)
        size += costs[kind].size
    tried = sum(cost.measured for cost in costs.values())
    how = f"by a training step of {tried} networks" if tried else "by the speed of runs that are done"
    free = shutil.disk_usage(next(place for place in (runs, *runs.parents) if place.exists())).free
    at_a_time = f", {jobs} at a time" if jobs > 1 else ""
    took = time.perf_counter() - begin
    reporter.say(
        f"{len(pending)} to train{at_a_time}: about {in_words(seconds / min(jobs, len(pending)))}, {how} ({took:.0f} s "
        f"to find out); up to {size / 1e9:.1f} GB of disk, {free / 1e9:.0f} GB are free"
    )
    speeds = {str(kind[0]): cost.speed for kind, cost in costs.items() if cost.measured and not cost.seen < math.inf}
    if speeds:
        reporter.say(f"images a second: {', '.join(f'{method} {speed:.1f}' for method, speed in speeds.items())}")
    if size > free:
        raise HiertaxError(f"{runs}: {size / 1e9:.1f} GB are needed and {free / 1e9:.1f} free; make room, or elsewhere")


def _count(source: Source, config: Config, reporter: Reporter) -> Counts:
    whole = Hierarchy.load(source.hierarchy)
    task = LabelledDataset.prepare(replace(config, hierarchy=str(source.hierarchy)), whole, reporter)
    train, _ = task.dataset.to_learn(config.limit_per_class, config.val_fraction)
    sizes = ", ".join(f"{len(level)} {level.name}" for level in task.hierarchy.levels)
    reporter.say(f"{source.key}: {len(train):,} images to train on, {len(task.dataset.test):,} to score; {sizes}")
    return Counts(len(train), len(task.dataset.test), task.hierarchy)


def _kind(config: Config) -> tuple[object, ...]:
    return tuple(getattr(config, name) for name in KIND)


def _known(runs: Path) -> dict[tuple[object, ...], Cost]:
    """Return the costs of the kinds of networks that have been trained here."""
    found = {}
    for file in sorted(runs.glob(f"*/{LAST}")):
        try:
            rows = read_log(file.parent)
            found[_kind(Header.read(file).config)] = Cost(float(rows[-1]["images_per_second"]), file.stat().st_size)
        except HiertaxError:  # not far enough, or no run
            continue
    return found


def _seconds(cell: Cell, done: int, counts: Counts, cost: Cost, looked: set[str]) -> float:
    """Return how long the rest of a run takes; of heads on features, the features count for the first of them."""
    epochs, train, test = cell.config.epochs - done, counts.train, counts.test
    if not cell.config.freeze_backbone:
        return (epochs * train + (epochs + 1) * test * FORWARD) / cost.speed
    features = 0.0 if cell.source in looked else (train + test) / cost.seen
    looked.add(cell.source)
    return features + epochs * train / cost.speed


def _measure(config: Config, counts: Counts) -> Cost:
    """Time a network on made-up images, and count what a run folder of it takes."""
    compute, depth = choose(config), counts.hierarchy.depth
    network = compute.place(network_of(config, counts.hierarchy))
    count = max(2, min(TRIED, config.batch_size, counts.train))
    images = torch.zeros(count, 3, config.image_size, config.image_size, device=compute.device)
    images = images.contiguous(memory_format=torch.channels_last)
    if not config.freeze_backbone:
        weights = sum(each.numel() for each in network.parameters())
        size = 4 * weights * (1 + STATES[config.optimizer] + (config.ema > 0))
        return Cost(_rate(partial(_learn, network, images, depth, compute), count, compute), size, measured=True)
    seen = _rate(partial(_see, network, images, compute), count, compute)
    features = network.embed(images[:1]).detach().expand(config.batch_size, -1)
    speed = _rate(partial(_learn, network, features, depth, compute), config.batch_size, compute)
    return Cost(speed, 0, seen, measured=True)


def _rate(step: Callable[[], None], count: int, compute: Compute) -> float:
    """Return how many images a second a step does that is of so many."""
    step()  # the first is slower than those that follow
    begin = time.perf_counter()
    step()
    compute.synchronize()
    return count / (time.perf_counter() - begin)


def _see(network: Network, images: torch.Tensor, compute: Compute) -> None:
    with torch.inference_mode(), compute.autocast():
        network.eval().embed(images)


def _learn(network: Network, inputs: torch.Tensor, depth: int, compute: Compute) -> None:
    targets = torch.zeros(len(inputs), depth, dtype=torch.int64, device=compute.device)
    for step in network.train().training_steps():
        with compute.autocast():
            loss, _ = step(inputs, targets, None, PLAIN)
        loss.backward()
    network.zero_grad(set_to_none=True)


def in_words(seconds: float) -> str:
    """Write a time as people say it: to the minute, or in hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
