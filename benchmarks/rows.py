"""The rows of `trainer.py`: hiertax's trainer as a contestant, and the process that each row has to itself."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from tempfile import TemporaryDirectory

import numpy as np
import torch
from host import forget_peak, memory
from plain_loops import Contestant, Job, Official, Plain, network_step
from plan import Row
from records import Record
from roof import bytes_of_step, copy_bandwidth, timed
from table import PAPER

from taxonomy import Hierarchy, HiertaxError
from taxonomy.files import cache_root, write_json
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


@dataclass(frozen=True)
class Settings:
    """What is run; `batches` are the paper's and a larger one, or small ones on a CPU."""

    data: str
    hierarchy: str
    image_size: int
    device: str
    small: bool
    repeats: int
    images: int
    workers: int
    batches: tuple[int, int]
    warm_up_steps: int

    def job(self, row: Row) -> Job:
        """Join the dataset to its hierarchy and pick the images: some of all classes, files repeated if too few."""
        task = LabelledDataset.prepare(self.config(row), Hierarchy.load(self.hierarchy), Reporter())
        tree = task.hierarchy
        network = partial(
            build_network, row.method, row.backbone, tree.sizes, paths=tree.paths, image_size=self.image_size
        )
        train, test = (pick(split, self.images) for split in (task.dataset.train, task.dataset.test))
        place = torch.device(self.device)
        return Job(train, test, task.paths, network, self.image_size, row.batch, self.workers, place)

    def config(self, row: Row) -> Config:
        """Return the trainer's own settings."""
        return Config(
            self.hierarchy, self.data, method=row.method, backbone=row.backbone, weights="none",
            image_size=self.image_size, batch_size=row.batch, device=self.device,
            compile=row.compile,
        )  # fmt: skip


def pick(split: Split, count: int) -> Split:
    """Return so many images of a split, in an order of chance."""
    return split.subset(np.resize(np.random.default_rng(0).permutation(len(split)), count))


class Ours:
    """The trainer's own path: its steps, compiled or not, and its scoring, as a run uses them."""

    def __init__(self, job: Job, config: Config, place: Callable[[Split, Compute], Inputs]) -> None:
        self.job, self.compute, self.waited = job, choose(config), 0.0
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
        plan = EpochPlan(whole.indices[:steps], whole.offsets[:steps], whole.params)
        self.waited = train_epoch(self.learner, self.samples, plan, self.compute, steps=self.steps).waiting
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


@dataclass
class Runner:
    """One contestant, in the process that it has to itself."""

    settings: Settings
    row: Row

    def figures(self) -> Iterator[Record]:
        """Make the contestant ready, then measure it in rounds; yield what each took as soon as it is known."""
        self.job, config = self.settings.job(self.row), self.settings.config(self.row)
        torch.zeros(1, device=self.job.device)  # what a device sets up on first use is no part of anything
        self.held = 0 if self.on_gpu else memory("VmRSS")
        self.contestant, loading = timed(lambda: CONTESTANTS[self.row.key](self.job, config), self.job.device)
        steps = self.settings.warm_up_steps
        _, train = timed(lambda: self.contestant.train(steps), self.job.device)
        _, evaluation = timed(lambda: self.contestant.evaluate(steps), self.job.device)
        yield {"kind": "warm_up", "loading": loading, "first_steps": train + evaluation, "images": self.settings.images}
        for _ in range(self.settings.repeats):
            yield self.round()

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.job.device.type == "cuda"

    def round(self) -> Record:
        """Train one epoch and evaluate; return what that took."""
        if not self.on_gpu:
            self.contestant.train(1)  # untimed: takes memory that was handed back
        self._forget_peak()
        loss, train = timed(self.contestant.train, self.job.device)
        peak, waited = self._peak(), self.contestant.waited
        accuracy, evaluation = timed(self.contestant.evaluate, self.job.device)
        trained = len(self.job.train) // self.job.batch * self.job.batch
        return {
            "kind": "round",
            "dtype": name_of(self.contestant.dtype),
            "images_per_second": trained / train,
            "waiting": waited / train,
            "evaluation_images_per_second": len(self.job.test) / evaluation,
            "peak_memory_bytes": peak,
            "loss": loss,
            "accuracy": accuracy,
        }

    def _forget_peak(self) -> None:
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats(self.job.device)
        else:
            forget_peak()

    def _peak(self) -> int:
        return torch.cuda.max_memory_allocated(self.job.device) if self.on_gpu else memory("VmHWM") - self.held


def name_of(dtype: torch.dtype) -> str:
    """Return the name of a number format, such as ``bfloat16``."""
    return str(dtype).removeprefix("torch.")


def bandwidths(settings: Settings, _: Row) -> Iterator[Record]:
    """Yield the device's copy bandwidth, measured a few times."""
    for _ in range(settings.repeats):
        yield {"kind": "bandwidth", "bytes_per_second": copy_bandwidth(torch.device(settings.device))}


def bytes_of(settings: Settings, row: Row) -> Iterator[Record]:
    """Yield what a step of a network moves, in every number format that a contestant computes in; see `roof.py`."""
    dtypes = (torch.float32,) if settings.small else (torch.float32, torch.bfloat16)
    for dtype in dtypes:
        yield {"kind": "bytes", "dtype": name_of(dtype), **counted(settings, row, dtype)}


def counted(settings: Settings, row: Row, dtype: torch.dtype) -> Record:
    """Return the bytes of each image and of each step, counted on a CPU once for every version of torch."""
    place = cache_root() / "benchmark-bytes.json"
    known = json.loads(place.read_text()) if place.exists() else {}
    key = f"{row.backbone} {settings.image_size} {name_of(dtype)} torch {torch.__version__}"
    if key not in known:
        job = replace(settings.job(replace(row, batch=2)), device=torch.device("cpu"))
        known[key] = bytes_of_step(lambda batch: network_step(replace(job, batch=batch), dtype))
        place.parent.mkdir(parents=True, exist_ok=True)
        write_json(place, known)
    return known[key]


# ---------------------------------------------------------------- one process for each

PRELOADED = [
    "torchvision",
    "trainer.training.epoch",
    "trainer.data.labelled",
    "trainer.models.methods",
    "pandas",
]  # once


def figures(settings: Settings, row: Row, seconds: float) -> Iterator[Record]:
    """Measure a row in a process of its own; yield each figure at once, or why there is none.

    Parameters
    ----------
    seconds
        When the process is ended, whatever it does.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    pipe, there = context.Pipe()
    process = context.Process(target=serve, args=(there, settings, row))
    process.start()
    there.close()
    try:
        yield from _answers(pipe, process, seconds)
    finally:
        process.kill()
        process.join()


def _answers(pipe: Connection, process: BaseProcess, seconds: float) -> Iterator[Record]:
    end = time.monotonic() + seconds
    while pipe.poll(max(end - time.monotonic(), 0)):
        try:
            record: Record | None = pipe.recv()
        except EOFError:
            process.join()
            yield {"kind": "left_out", "why": f"its process ended with exit code {process.exitcode}"}
            return
        if record is None:
            return
        yield record
    yield {"kind": "left_out", "why": f"ended after {seconds:.0f} s"}


def serve(pipe: Connection, settings: Settings, row: Row) -> None:
    """Be the process of one row: send its figures, and None when all is done."""
    measure = SPECIAL.get(row.key, lambda settings, row: Runner(settings, row).figures())
    with suppress(BrokenPipeError, KeyboardInterrupt):
        try:
            for record in measure(settings, row):
                pipe.send(record)
            pipe.send(None)
        except Exception as error:  # whatever it is, the other rows are to be measured
            reason = next(iter(str(error).splitlines()), "")
            why = reason if isinstance(error, HiertaxError) else f"{type(error).__name__}: {reason}"
            pipe.send({"kind": "left_out", "why": why})
            pipe.send(None)


SPECIAL: dict[str, Callable[[Settings, Row], Iterator[Record]]] = {"bandwidth": bandwidths, "bytes": bytes_of}
