"""The rows of `trainer.py`: hiertax's trainer as a contestant, and the process that each contestant has to itself."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from plain_loops import Contestant, Job, Official, Plain, network_step
from roof import bytes_moved, timed

from taxonomy import Hierarchy, HiertaxError
from trainer.config import Config
from trainer.data.augment import Recipe, draw_params
from trainer.data.datasets import Split
from trainer.data.inputs import ArrayInputs, Inputs
from trainer.data.labelled import LabelledDataset
from trainer.data.placement import open_inputs
from trainer.data.samples import Samples
from trainer.inference.forward import count_right
from trainer.models.methods import build_network
from trainer.runtime.device import Compute, choose
from trainer.runtime.processes import SINGLE
from trainer.runtime.progress import Reporter
from trainer.training.compiling import faster_steps
from trainer.training.epoch import EpochPlan, plan_epoch, train_epoch
from trainer.training.learner import Learner

PAPER = {"epochs": 100, "training_images": 5994, "test_images": 5794}  # a run on CUB as the paper has it


@dataclass(frozen=True)
class Settings:
    """What is run; `batches` are the paper's and a larger one, or small ones on a CPU."""

    data: str
    hierarchy: str
    backbone: str
    weights: str
    image_size: int
    device: str
    small: bool
    repeats: int
    images: int
    workers: int
    batches: tuple[int, int]
    warm_up_steps: int

    def job(self, batch: int) -> Job:
        """Join the dataset to its hierarchy and pick the images: some of all classes, files repeated if too few."""
        task = LabelledDataset.prepare(self.config(batch), Hierarchy.load(self.hierarchy), Reporter())
        network = partial(build_network, "ours", self.backbone, task.hierarchy.sizes, weights=self.weights)
        train, test = (pick(split, self.images) for split in (task.dataset.train, task.dataset.test))
        return Job(train, test, task.paths, network, self.image_size, batch, self.workers, torch.device(self.device))

    def config(self, batch: int) -> Config:
        """Return the trainer's own settings."""
        return Config(
            self.hierarchy, self.data, backbone=self.backbone, weights=self.weights,
            image_size=self.image_size, batch_size=batch, device=self.device,
        )  # fmt: skip


def pick(split: Split, count: int) -> Split:
    """Return so many images of a split, in an order of chance."""
    return split.subset(np.resize(np.random.default_rng(0).permutation(len(split)), count))


class Ours:
    """The trainer's own path: its steps, compiled or not, and its scoring, as a run uses them."""

    channels_last = True

    def __init__(self, job: Job, config: Config, place: Callable[[Split, Compute], Inputs]) -> None:
        self.job, self.compute = job, choose(config)
        self.dtype = self.compute.dtype
        self.learner = Learner(job.network(), config, self.compute, job.paths.shape[1])
        self.samples, self.test = (
            Samples(place(split, self.compute), torch.from_numpy(job.paths[split.labels]).to(job.device))
            for split in (job.train, job.test)
        )
        self.steps = faster_steps(self.learner, config, self.compute, SINGLE, PAPER["training_images"], Reporter())

    def train(self, steps: int | None = None) -> float:
        """Train one epoch, or some steps of one; return the mean loss."""
        count, size = len(self.samples), self.job.image_size
        whole = plan_epoch(
            count, self.learner.epoch, batch_size=self.job.batch, draw=lambda g: draw_params(Recipe(), count, size, g)
        )
        plan = EpochPlan(whole.indices[:steps], whole.offsets[:steps], whole.batches[:steps], whole.params)
        train_epoch(self.learner, self.samples, plan, self.compute, steps=self.steps)
        return self.learner.finish_epoch()[0]

    def evaluate(self, steps: int | None = None) -> list[float]:
        """Score the test images, or some batches of them; return the accuracy of every level."""
        stop = None if steps is None else steps * self.job.batch
        test = Samples(self.test.inputs, self.test.targets[:stop])
        right, known, _ = count_right(self.learner.network, test, batch_size=self.job.batch, compute=self.compute)
        accuracy: list[float] = (right / known).tolist()
        return accuracy


def ours(job: Job, config: Config) -> Contestant:
    """Return the trainer on images decoded once, as a run finds them the first time."""

    def place(split: Split, compute: Compute) -> Inputs:
        with TemporaryDirectory() as empty:
            os.environ["HIERTAX_CACHE"] = empty
            inputs, _ = open_inputs(
                split.paths, job.image_size, cache="auto", skip_bad=False, workers=job.workers,
                device=compute.device, what="benchmark", reporter=Reporter(),
            )  # fmt: skip
        return inputs

    return Ours(job, config, place)


def synthetic(job: Job, config: Config) -> Contestant:
    """Return the trainer on made-up images on the device."""

    def place(split: Split, compute: Compute) -> Inputs:
        shape = (len(split), 3, job.image_size, job.image_size)
        return ArrayInputs(torch.randint(0, 256, shape, dtype=torch.uint8, device=compute.device))

    return Ours(job, config, place)


CONTESTANTS: dict[str, Callable[[Job, Config], Contestant]] = {
    "a": lambda job, _: Official(job),
    "b": lambda job, _: Plain(job),
    "c": ours,
    "d": synthetic,
}


# ---------------------------------------------------------------- one process for each


class Runner:
    """One row, in the process that it has to itself."""

    def __init__(self, settings: Settings, key: str, batch: int) -> None:
        self.settings, self.key, self.job = settings, key, settings.job(batch)
        torch.zeros(1, device=self.job.device)  # what a device sets up on first use is no part of anything
        self.held = 0 if self.on_gpu else memory("VmRSS")

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.job.device.type == "cuda"

    def warm_up(self) -> dict[str, float]:
        """Make the contestant ready: images decoded, networks compiled, a few steps done. Return the seconds."""
        config = self.settings.config(self.job.batch)
        self.contestant, loading = timed(lambda: CONTESTANTS[self.key](self.job, config), self.job.device)
        steps = self.settings.warm_up_steps
        _, train = timed(lambda: self.contestant.train(steps), self.job.device)
        _, evaluation = timed(lambda: self.contestant.evaluate(steps), self.job.device)
        return {"loading": loading, "first_steps": train + evaluation}

    def measure(self) -> dict[str, Any]:
        """Train one epoch and evaluate; return what that took."""
        if not self.on_gpu:
            self.contestant.train(1)  # untimed: takes memory that was handed back
        self._forget_peak()
        loss, train = timed(self.contestant.train, self.job.device)
        peak = self._peak()
        accuracy, evaluation = timed(self.contestant.evaluate, self.job.device)
        trained = len(self.job.train) // self.job.batch * self.job.batch
        return {
            "images_per_second": trained / train,
            "evaluation_images_per_second": len(self.job.test) / evaluation,
            "peak_memory_bytes": peak,
            "loss": loss,
            "accuracy": accuracy,
            "load": os.getloadavg()[0],
        }

    def count_bytes(self) -> dict[str, Any]:
        """Return the bytes that an image's share of a step moves, and in which number format."""
        moved = bytes_moved(network_step(self.job, self.contestant)) / self.job.batch
        return {"bytes_per_image": moved, "dtype": str(self.contestant.dtype).removeprefix("torch.")}

    def hand_back(self) -> None:
        """Return freed memory to the system: processes that keep theirs while others run would fill it (glibc)."""
        if not self.on_gpu:
            ctypes.CDLL(None).malloc_trim(0)

    def _forget_peak(self) -> None:
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats(self.job.device)
        else:
            Path("/proc/self/clear_refs").write_text("5")

    def _peak(self) -> int:
        return torch.cuda.max_memory_allocated(self.job.device) if self.on_gpu else memory("VmHWM") - self.held


def memory(field: str) -> int:
    """Return this process's resident bytes: ``VmRSS`` now, ``VmHWM`` at its peak (Linux only)."""
    return int(Path("/proc/self/status").read_text().split(f"{field}:")[1].split()[0]) * 1024


def serve(pipe: Connection, settings: Settings, key: str, batch: int) -> None:
    """Be the process of one row: do what is asked for until the main process is done, or was interrupted."""
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        try:
            runner = Runner(settings, key, batch)
            while True:
                answer = getattr(runner, pipe.recv())()
                runner.hand_back()
                pipe.send(answer)
        except HiertaxError as error:
            pipe.send(error)


class Remote:
    """A row's process, seen from the main one."""

    def __init__(self, settings: Settings, key: str, batch: int, context: Any) -> None:
        self.key, self.batch = key, batch
        self.pipe, there = context.Pipe()
        self.process = context.Process(target=serve, args=(there, settings, key, batch))
        self.process.start()
        there.close()

    def ask(self, what: str) -> dict[str, Any]:
        """Let the process do something; return its answer."""
        try:
            self.pipe.send(what)
            answer: dict[str, Any] | HiertaxError = self.pipe.recv()
        except (EOFError, OSError):
            raise HiertaxError(f"({self.key}) at batch {self.batch}: its process ended; see above why") from None
        if isinstance(answer, HiertaxError):
            raise answer
        return answer


@contextmanager
def processes(settings: Settings, rows: Sequence[tuple[str, int]]) -> Iterator[list[Remote]]:
    """Start a process for each row, of which is told who trains and in which of the batch sizes; end them at last."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "torchvision"])  # imported once, not by every process anew
    remotes: list[Remote] = []
    try:
        for key, size in rows:
            remotes.append(Remote(settings, key, settings.batches[size], context))
        yield remotes
    finally:
        for remote in remotes:
            remote.pipe.close()  # which ends its process
        for remote in remotes:
            remote.process.join()
