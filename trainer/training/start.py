"""Training from a config, or from where a run was saved: what a command asks for, checked and put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from taxonomy import Hierarchy, HiertaxError
from trainer.config import RUNTIME_FIELDS, Config
from trainer.data.labelled import LabelledDataset
from trainer.inference.features import check_image_size
from trainer.models.methods import build_network
from trainer.runs.checkpoint import Checkpoint
from trainer.runs.folder import Run
from trainer.runs.log import check_board
from trainer.runtime.device import explaining_memory
from trainer.runtime.processes import ProcessGroup, join_processes
from trainer.runtime.progress import Reporter
from trainer.training.loop import Training


def train(config: Config, out: Path, reporter: Reporter) -> Run:
    """Train a network from the start.

    Raises
    ------
    HiertaxError
        If anything asked for is missing or does not fit; then nothing has been written.
    Interrupted
        After Ctrl-C or SIGTERM; what was learned is saved.
    """
    run = Run(out)
    with _joined(reporter) as group, explaining_memory(config, group.size):
        _check(config, group)
        run.refuse_if_trained()
        task = LabelledDataset.prepare(config, Hierarchy.load(config.hierarchy), reporter, group)
        torch.manual_seed(config.seed)
        network = build_network(
            config.method, config.backbone, task.hierarchy.sizes,
            weights=config.weights, frozen=config.freeze_backbone, options=config.method_options,
        )  # fmt: skip
        check_image_size(network, config)
        training = Training.prepare(_resolved(config), task, network, group, reporter)
        if group.is_main:
            run.create(training.config, task.hierarchy)
        return training.run(run, [])


def resume(path: Path, changes: Mapping[str, Any], reporter: Reporter, *, hierarchy: Path | None = None) -> Run:
    """Go on with a run where it was saved last.

    Parameters
    ----------
    changes
        Settings to change, of those that say where and how to compute (`trainer.config.RUNTIME_FIELDS`).
    hierarchy
        A hierarchy file that must be the run's.

    Raises
    ------
    HiertaxError
        If its checkpoint cannot be read or is of another hierarchy, or the dataset is no longer the one it was
        trained on.
    """
    run = Run(path)
    with _joined(reporter) as group:
        checkpoint = Checkpoint.load(path)
        if hierarchy is not None:
            _refuse_another(hierarchy, checkpoint)
        config = replace(checkpoint.config, **changes)
        with explaining_memory(config, group.size):
            _check(config, group)
            if group.is_main:
                run.repair(checkpoint.log)
            training = _restored(checkpoint, _resolved(config), group, reporter)
            return training.run(run, list(checkpoint.log))


def _restored(checkpoint: Checkpoint, config: Config, group: ProcessGroup, reporter: Reporter) -> Training:
    """Put data and network together as they were when the checkpoint was written."""
    task = LabelledDataset.prepare(config, checkpoint.hierarchy, reporter, group)
    if task.hierarchy != checkpoint.hierarchy:
        run = checkpoint.path.parent
        raise HiertaxError(f"{task.dataset.root}: no longer has the classes {run} was trained on; restore them")
    training = Training.prepare(config, task, checkpoint.network(), group, reporter)
    training.learner.restore(checkpoint.tensors, checkpoint.progress)
    return training


def train_or_resume(config: Config, path: Path, reporter: Reporter) -> Run:
    """Train in a run folder, or go on with the training that it holds.

    Raises
    ------
    HiertaxError
        As `train` and `resume`; and if the folder holds a run with other settings.
    """
    if not Run(path).has_checkpoint:
        return train(config, path, reporter)
    asked, own = _resolved(config).to_json(), Checkpoint.load(path).config.to_json()
    if other := [name for name, value in asked.items() if value != own[name] and name not in RUNTIME_FIELDS]:
        raise HiertaxError(f"{path}: a run with another --{other[0].replace('_', '-')} is here; choose another folder")
    return resume(path, {name: getattr(config, name) for name in RUNTIME_FIELDS}, reporter)


def _refuse_another(file: Path, checkpoint: Checkpoint) -> None:
    """Refuse to go on where the hierarchy, on the classes that the run has, is not that of the checkpoint."""
    asked, own = Hierarchy.load(file), checkpoint.hierarchy
    if not set(own.classes) <= set(asked.classes) or asked.restrict(own.classes) != own:
        raise HiertaxError(
            f"{checkpoint.path}: was trained on another hierarchy ({own.name}) than {file}; leave --hierarchy out to "
            "go on with its own, or train anew with another --out"
        )


@contextmanager
def _joined(reporter: Reporter) -> Iterator[ProcessGroup]:
    """Join the other processes, if there are any, and let only the first of them speak."""
    with join_processes() as group:
        reporter.console.quiet = not group.is_main
        yield group


def _check(config: Config, group: ProcessGroup) -> None:
    """Refuse before any work is done what could not be finished."""
    if config.tensorboard:
        check_board()
    parts = group.size * config.accumulate
    if config.batch_size % parts or config.batch_size // parts < 2:
        raise HiertaxError(
            f"--batch-size {config.batch_size}: makes no {parts} equal parts of two or more "
            f"({group.size} processes x --accumulate {config.accumulate}); "
            f"try {max(2, config.batch_size // parts) * parts}"
        )


def _resolved(config: Config) -> Config:
    """Return the config with its files' full paths, so that the run can be resumed from anywhere."""
    weights = config.weights if config.weights in ("imagenet", "none") else str(Path(config.weights).resolve())
    hierarchy, data = (str(Path(place).resolve()) for place in (config.hierarchy, config.data))
    return replace(config, weights=weights, hierarchy=hierarchy, data=data)
