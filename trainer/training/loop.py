"""One epoch after the other: trained, scored, told, saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from math import isnan
from signal import SIGTERM
from typing import NamedTuple

from torch import Tensor

from taxonomy import Hierarchy, HiertaxError
from taxonomy.datasets.notes import counted
from taxonomy.errors import Interrupted
from trainer.config import Config
from trainer.data.augment import Recipe, draw_params
from trainer.data.inputs import ArrayInputs, FileInputs
from trainer.data.labelled import LabelledDataset
from trainer.data.samples import Samples
from trainer.inference.features import features_of
from trainer.inference.forward import count_right
from trainer.models.network import BACKBONE, HEADS, Network, TrainingStep
from trainer.models.stored import LAST
from trainer.runs.checkpoint import Snapshot
from trainer.runs.folder import Run, Saver
from trainer.runs.log import Board, Row
from trainer.runtime.device import Compute, choose
from trainer.runtime.processes import ProcessGroup
from trainer.runtime.progress import Reporter
from trainer.runtime.signals import listening
from trainer.runtime.stopwatch import Alarm
from trainer.training.calibrating import calibrate_trained
from trainer.training.compiling import announce, faster_steps
from trainer.training.epoch import check_loss, diverged, plan_epoch, seed_from, train_epoch
from trainer.training.foresight import foresee
from trainer.training.graphs import check_graphs
from trainer.training.ineffective import without_effect
from trainer.training.learner import Learner, objective_for, with_priors
from trainer.training.order import class_weights
from trainer.training.samples import load_samples
from trainer.training.stopping import is_stale, since_best

PASSED_ON = 5.0  # seconds for torchrun to pass on a signal that this process may have heard already
FIRST_SAVE, NEXT_SAVE = 60.0, 600.0  # seconds after the start, or the last checkpoint, for one within an epoch
LONG_START = 10.0  # seconds from which on it is said what they went to


class Material(NamedTuple):
    """What there is to learn from, to validate on if that is done, and to score."""

    train: Samples
    val: Samples | None
    test: Samples


@dataclass(frozen=True)
class Training:
    """A learner, all that it learns from and is scored on, and how that is computed."""

    config: Config
    hierarchy: Hierarchy
    compute: Compute
    group: ProcessGroup
    learner: Learner
    steps: Sequence[TrainingStep]
    images: Material
    reporter: Reporter
    names: tuple[str, str] = ("val", "test")  # what the log calls the images to validate on and those that are scored

    @classmethod
    def prepare(
        cls, config: Config, task: LabelledDataset, network: Network, group: ProcessGroup, reporter: Reporter
    ) -> Training:
        """Load what there is to learn, and make the network ready for it."""
        compute = choose(config, group.local_rank)
        check_graphs(config, compute, group)
        objective = objective_for(config, task.hierarchy, compute.device)
        samples = _loaded(config, task, compute.place(network), compute, group, reporter)
        objective = with_priors(objective, config, task.hierarchy, samples["training"].targets)
        learner = Learner(network, config, compute, task.hierarchy.depth, group, objective=objective)
        steps = faster_steps(learner, config, compute, group, len(samples["training"]), reporter)
        announce(config, compute, group, {what: len(found) for what, found in samples.items()}, reporter)
        for note in without_effect(config, network, len(samples["training"])):
            reporter.say(note)
        return cls(
            config, task.hierarchy, compute, group, learner, steps,
            Material(samples["training"], samples.get("validation"), samples[task.dataset.scored]), reporter,
            (task.dataset.validation, task.dataset.scored),
        )  # fmt: skip

    def run(self, run: Run, rows: list[Row], *, stop_on_signals: bool) -> Run:
        """Train to the end, saving after every epoch, in between where one is long, and before leaving if asked to.

        Parameters
        ----------
        rows
            The log of the epochs that are finished.
        stop_on_signals
            Whether Ctrl-C and SIGTERM ask for that; else they are left alone.
        """
        config, learner, leads = self.config, self.learner, self.group.is_main
        left = (config.epochs - learner.epoch) * len(self.images.train)
        with (
            _explaining_interrupt(run) if stop_on_signals else nullcontext(),  # once the saver has finished
            closing(Saver(run)) as saver,
            closing(Board(run.path, len(rows))) if config.tensorboard and leads else nullcontext() as board,
            self.reporter.images("training", left) as advance,
            self._listening() if stop_on_signals else nullcontext(lambda: 0) as signalled,
        ):
            counted, alarm = self._telling_start_up(advance), Alarm(NEXT_SAVE if run.has_checkpoint else FIRST_SAVE)
            while learner.epoch < config.epochs and not is_stale(rows, config.patience):
                row = self._epoch(lambda: bool(signalled()), counted, pausing=alarm.rings)
                if row is not None:
                    rows.append(row)
                if leads:
                    saver.save(self._snapshot(rows), best=row is not None and self._is_best(rows))
                alarm.set(NEXT_SAVE)
                if row is None and self.group.any(bool(signalled())):
                    saver.wait()
                    self.group.barrier()  # torchrun ends all processes once one has exited
                    raise _interrupted(run, learner, signalled())
                if row is not None:
                    self._tell(row, board, advance)
            saver.wait()
            if leads and self.images.val is not None:
                calibrate_trained(run, self.images.val, self.compute, self.reporter)
        return run

    @property
    def at_hand(self) -> Material:
        """What the current epoch learns from and is scored on: images, or features while the heads alone learn."""
        return self._features if self.learner.epoch < self.config.heads_first else self.images

    @cached_property
    def _features(self) -> Material:
        """The features of all images, of the backbone as it stands before it has learned."""
        network, config = self.learner.network, self.config

        def computed(samples: Samples, what: str) -> Samples:
            found = features_of(samples.inputs, what, network, config, self.compute, self.reporter)
            return replace(samples, inputs=ArrayInputs(found))

        train, val, test = self.images
        return Material(computed(train, "training"), val and computed(val, "validation"), computed(test, self.names[1]))

    @cached_property
    def _weights(self) -> Tensor | None:
        """How often each training image is drawn, where classes are balanced."""
        return class_weights(self.images.train.targets[:, -1].cpu()) if self.config.balance else None

    def record(self, run: Run, rows: Sequence[Row]) -> None:
        """Write changed settings into the run, the state being as it was."""
        self._snapshot(rows).write(run.path / LAST)
        run.keep(self.config)

    def _snapshot(self, rows: Sequence[Row]) -> Snapshot:
        learner = self.learner
        return Snapshot.of(learner.tensors(), learner.progress(), self.config, self.hierarchy, rows)

    def _is_best(self, rows: Sequence[Row]) -> bool:
        return self.config.patience is not None and since_best(rows) == 0

    def _listening(self) -> AbstractContextManager[Callable[[], int]]:
        return listening(quiet=not self.group.is_main, apart=0 if self.group.size == 1 else PASSED_ON)

    def _telling_start_up(self, advance: Callable[..., None]) -> Callable[..., None]:
        """Return what shows progress and, after the first step, says what starting took if that was long."""
        watch, started = self.reporter.watch, False
        end = watch.begin("first step")

        def counted(count: int) -> None:
            nonlocal started
            if not started:
                end()
                if watch.total >= LONG_START:
                    self.reporter.say(f"starting took {watch}")
            started = True
            advance(count)

        return counted

    def _epoch(
        self, stopping: Callable[[], bool], advance: Callable[..., None], pausing: Callable[[], bool]
    ) -> Row | None:
        """Train one epoch, or what is left of it, and score it; return the log's row, or None if it is not at its end.

        Parameters
        ----------
        stopping, pausing
            Asked after each step: whether to leave for good, which scoring heeds too, or for a checkpoint.
        """
        config, learner, recipe = self.config, self.learner, _recipe(self.config)
        seed = seed_from(config.seed, learner.epoch)
        train, count, of_images = self.at_hand.train, len(self.images.train), self.at_hand is self.images
        plan = plan_epoch(
            count, seed, batch_size=config.batch_size, parts=config.accumulate, group=self.group,
            draw=(lambda g: draw_params(recipe, count, config.image_size, g))
            if of_images and not config.freeze_backbone else None,
            chunks=chunks_of(train),
            weights=self._weights,
        )  # fmt: skip
        learner.timing += train_epoch(
            learner, train, plan, self.compute, seed=seed, group=self.group,
            steps=self.steps if of_images else learner.steps, on_batch=advance,
            stopping=lambda: stopping() or pausing(),
        )  # fmt: skip
        learner.pool()
        check_loss(learner, _kept(learner.epoch))
        if learner.step < len(plan.indices) or self.group.any(stopping()):
            if not all(weights.isfinite().all() for weights in learner.network.parameters()):
                raise HiertaxError(_diverged(learner.epoch, "the weights are no numbers"))
            return None
        return self._row(plan.indices.numel() * self.group.size, stopping)

    def _row(self, images: int, stopping: Callable[[], bool]) -> Row | None:
        """Score the learner at the end of an epoch over so many images, and close it, unless stopped before."""
        learner, timing, names = self.learner, self.learner.timing, [level.name for level in self.hierarchy.levels]
        material = self.at_hand
        rates = {group.get("part", HEADS): group["lr"] for group in reversed(learner.optimizer.param_groups)}
        held_out = dict(zip(self.names, material[1:], strict=True))
        hurry = stopping if self.group.size == 1 else lambda: False  # processes hear of a signal at different moments
        scores = {part: self._accuracy(samples, hurry) for part, samples in held_out.items() if samples is not None}
        if hurry():
            return None
        loss, right = learner.finish_epoch()
        scores = {"train": right, **scores}
        return {
            "epoch": learner.epoch,
            "learning_rate": rates[HEADS],
            "backbone_learning_rate": rates.get(BACKBONE, 0.0) if material is self.images else 0.0,
            "train_loss": round(loss, 6),
            **{
                f"{part}_{name}": None if isnan(value) else round(value, 6)  # where no image knows the level
                for part, found in scores.items()
                for name, value in zip(names, found, strict=True)
            },
            "seconds": round(timing.seconds, 3),
            "images_per_second": round(images / timing.seconds, 1),
            "waiting_for_data": round(timing.waiting / timing.seconds, 4),
            "memory_mib": self.compute.memory() >> 20,
        }

    def _accuracy(self, samples: Samples, stopping: Callable[[], bool]) -> list[float]:
        """Return the accuracy of every level."""
        right, known, finite = count_right(
            self.learner.answering, samples, batch_size=self.config.batch_size, compute=self.compute, group=self.group,
            stopping=stopping,
        )  # fmt: skip
        if not finite:
            raise HiertaxError(_diverged(self.learner.epoch, "the logits are no numbers"))
        accuracy: list[float] = (right.double() / known).tolist()
        return accuracy

    def _tell(self, row: Row, board: Board | None, advance: Callable[..., None]) -> None:
        """Show how an epoch went."""
        note = _note(row, self.config.epochs, self.hierarchy, self.names[1])
        advance(0, note)
        if not self.reporter.shows_bars:
            self.reporter.say(note)
        if board is not None:
            board.add(row)


def _loaded(
    config: Config, task: LabelledDataset, network: Network, compute: Compute, group: ProcessGroup, reporter: Reporter
) -> dict[str, Samples]:
    """Load the images to learn from, to validate on and to score, once it is foreseen that the run fits the machine."""
    train, val = task.dataset.to_learn(config.limit_per_class, config.val_fraction)
    foresee(network, config, compute, group, (len(train), len(val) + len(task.dataset.test)), reporter)
    splits = {"training": train, "validation": val, task.dataset.scored: task.dataset.test}
    samples = {
        what: load_samples(split, what, config, task, network, compute, group, reporter)
        for what, split in splits.items()
        if len(split)
    }
    if (count := len(samples["training"])) < 2 * group.size * config.accumulate:
        raise HiertaxError(
            f"{task.dataset.root}: {counted(count, 'training image')}; batch normalisation needs two or more in every "
            "part of a batch, add some"
        )
    if config.balance and chunks_of(samples["training"]) is not None:
        raise HiertaxError(
            f"{task.dataset.root}: `balance` draws images at random, and shards are read in their order; let them "
            "be decoded once, by another `cache` than off"
        )
    return samples


def chunks_of(samples: Samples) -> Tensor | None:
    """Return where in which shard each sample lies, int64 ``[N, 2]``, where that decides their order; else None."""
    return samples.inputs.chunks if isinstance(samples.inputs, FileInputs) else None


def _recipe(config: Config) -> Recipe:
    return Recipe(config.crop, config.crop_area, config.color_jitter, config.mixup, config.cutmix)


def _kept(epoch: int) -> str:
    if not epoch:
        return "nothing is saved"
    return "the epoch before is saved" if epoch == 1 else f"the {epoch} epochs before are saved"


def _diverged(epoch: int, what: str) -> str:
    return diverged(epoch, what, _kept(epoch))


def _interrupted(run: Run, learner: Learner, signalled: int) -> Interrupted:
    return Interrupted(
        f"interrupted in epoch {learner.epoch + 1} after {learner.step} steps; all is saved; "
        f"go on by: `resume` {run.path}",
        exit_code=128 + (signalled or SIGTERM),  # which another process has heard
    )


@contextmanager
def _explaining_interrupt(run: Run) -> Iterator[None]:
    """Turn a second Ctrl-C, which stops without saving, into one line that says what is on disk."""
    try:
        yield
    except KeyboardInterrupt:
        if not run.has_checkpoint:
            raise Interrupted("interrupted before anything was saved; start again") from None
        raise Interrupted(f"interrupted at once; go on from what was saved: `resume` {run.path}") from None


def _note(row: Row, epochs: int, hierarchy: Hierarchy, scored: str) -> str:
    found = {level.name: row[f"{scored}_{level.name}"] for level in hierarchy.levels}
    scores = "  ".join(f"{name} {'-' if share is None else f'{100 * share:.1f}'}" for name, share in found.items())
    return f"epoch {row['epoch']}/{epochs}  loss {row['train_loss']:.3f}  {scored} % {scores}"
