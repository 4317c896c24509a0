"""Training from settings, or from where a run was saved: what was asked for, checked and put together.

What can be wrong with it is looked for before torch is imported, which takes seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from taxonomy import Hierarchy, HiertaxError
from trainer.config import RESUMABLE, RUNTIME_FIELDS, Config, check_batch, check_names, make_config
from trainer.data.labelled import LabelledDataset
from trainer.models.pretrained import WITHOUT_FILE, check_library
from trainer.recipes import read_recipe
from trainer.runs.folder import Run
from trainer.runs.header import Header, last_checkpoint
from trainer.runs.lock import locked
from trainer.runs.log import check_board
from trainer.runtime.processes import ProcessGroup, join_processes
from trainer.runtime.progress import Reporter, reporter_of
from trainer.training.checks import check_schedule, check_weights

if TYPE_CHECKING:  # they need torch
    from trainer.runs.checkpoint import Checkpoint
    from trainer.training.loop import Training

_TRAINING: Final = Lock()  # held while a training goes on in this process


def train(
    hierarchy: Hierarchy | str | Path | None = None,
    data: str | Path | None = None,
    *,
    recipe: str = "paper",
    out: str | Path | None = None,
    reporter: Reporter | None = None,
    stop_on_signals: bool = False,
    **settings: Any,
) -> Run:
    """Train a network from the start.

    Parameters
    ----------
    hierarchy
        The labels of every level, as a value or as a file; without it they are the nested folders of `data`.
    data
        The dataset's folder [data].
    recipe
        What to set that `settings` do not: one of `trainer.recipes.RECIPES`.
    out
        The run folder to make; without it the first of ``runs/HIERARCHY-METHOD-SEED``, ``...-2`` and so on that is not
        there.
    reporter
        Who tells of progress; without one nothing is printed.
    stop_on_signals
        Whether the first Ctrl-C or SIGTERM finishes the step, saves and raises `Interrupted`. Else they are left alone.
    **settings
        Any other field of `trainer.config.Config`, such as ``method`` or ``epochs``.

    Returns
    -------
    The run folder.

    Raises
    ------
    HiertaxError
        If anything asked for is missing or does not fit, or another thread trains; then nothing has been written.
    Interrupted
        After Ctrl-C or SIGTERM where `stop_on_signals` is set; what was learned is saved.

    Examples
    --------
    >>> from trainer import train
    >>> run = train("hierarchies/sketchbirds.json", "data", epochs=2, out="runs/birds")  # doctest: +SKIP
    """
    if hierarchy is None and data is None:
        raise HiertaxError("no `hierarchy` and no `data` is named; name one of the two")
    given = hierarchy if isinstance(hierarchy, Hierarchy) else None
    config = make_config(
        {**read_recipe(recipe), **settings, "hierarchy": hierarchy if given is None else None, "data": data}
    )
    run = Run(_new_folder(config, given) if out is None else Path(out))
    if given is not None:  # the run keeps it, so that is where it lies
        config = replace(config, hierarchy=str(run.path / "hierarchy.json"))
    return _train(config, run, reporter_of(reporter), given, stop_on_signals=stop_on_signals)


def _train(
    config: Config, run: Run, reporter: Reporter, hierarchy: Hierarchy | None = None, *, stop_on_signals: bool
) -> Run:
    with _joined(reporter) as (group, own):
        run.refuse_if_taken()
        _check(config, group)
        with own.watch.part("listing"):
            if hierarchy is None and config.hierarchy is not None:
                hierarchy = Hierarchy.load(config.hierarchy)
            task = LabelledDataset.prepare(config, hierarchy, own, group)
        with _alone(run, group), _heavy(config, group, own):
            task, training = _from_scratch(resolved(config), task, group, own)
            if group.is_main:
                run.create(training.config, task.hierarchy)
                task.save(run.path)
            return training.run(run, [], stop_on_signals=stop_on_signals)


def _from_scratch(
    config: Config, task: LabelledDataset, group: ProcessGroup, reporter: Reporter
) -> tuple[LabelledDataset, Training]:
    """Put data and a new network together, without the classes of which no training image can be decoded."""
    import torch

    from trainer.inference.features import check_image_size
    from trainer.models.methods import network_of
    from trainer.training.loop import Training
    from trainer.training.samples import UnlearnableError

    torch.manual_seed(config.seed)
    with reporter.watch.part("building the network"):
        network = network_of(config, task.hierarchy, weights=config.weights)
        check_image_size(network, config)
    try:
        return task, Training.prepare(config, task, network, group, reporter)
    except UnlearnableError as error:
        rest = task.without(error.bad, reporter)
    return _from_scratch(config, rest, group, reporter)


def resume(
    run: Run | str | Path,
    *,
    hierarchy: str | Path | None = None,
    reporter: Reporter | None = None,
    stop_on_signals: bool = False,
    **changes: Any,
) -> Run:
    """Go on with a run where it was saved last.

    Parameters
    ----------
    run
        The run, or its folder.
    hierarchy
        A hierarchy file that must be the run's.
    reporter, stop_on_signals
        As of `train`.
    **changes
        Settings to change: ``epochs``, the number of all epochs, those that are done included, and those that say where
        and how to compute (`trainer.config.RUNTIME_FIELDS`). With other ``epochs`` the learning rate goes on, from the
        epoch reached, along half a cosine over the new number.

    Raises
    ------
    HiertaxError
        If its checkpoint cannot be read or is of another hierarchy, the dataset is no longer the one it was trained on,
        or another setting was to be changed.
    """
    run = run if isinstance(run, Run) else Run(Path(run))
    check_names(changes)
    if own := sorted(changes.keys() - set(RESUMABLE)):
        raise HiertaxError(f"`{own[0]}` {changes[own[0]]!r}: is the run's own; leave it out")
    with _joined(reporter_of(reporter)) as (group, speaker):
        last_checkpoint(run.path)
        with _alone(run, group):
            return _resume(run, hierarchy, changes, group, speaker, stop_on_signals=stop_on_signals)


def _resume(
    run: Run, hierarchy: str | Path | None, changes: Mapping[str, Any], group: ProcessGroup, reporter: Reporter,
    *, stop_on_signals: bool,
) -> Run:  # fmt: skip
    header = Header.read(last_checkpoint(run.path))
    if hierarchy is not None:
        _refuse_another(Path(hierarchy), header)
    config = resolved(replace(header.config, **changes))
    _check(config, group, resumed=True)
    check_schedule(config, header, reporter)
    with reporter.watch.part("listing"):
        task = LabelledDataset.prepare(config, header.hierarchy, reporter, group, run=run.path)
    with _heavy(config, group, reporter):
        from trainer.runs.checkpoint import Checkpoint

        checkpoint = Checkpoint.load(run.path)
        if group.is_main:
            run.repair(checkpoint.log)
        training = _restored(checkpoint, config, task, group, reporter)
        if group.is_main and config.epochs != header.config.epochs:
            training.record(run, checkpoint.log)
        return training.run(run, list(checkpoint.log), stop_on_signals=stop_on_signals)


def _restored(
    checkpoint: Checkpoint, config: Config, task: LabelledDataset, group: ProcessGroup, reporter: Reporter
) -> Training:
    """Put data and network together as they were when the checkpoint was written."""
    from trainer.training.loop import Training

    with reporter.watch.part("building the network"):
        network = checkpoint.network()
    training = Training.prepare(config, task, network, group, reporter)
    training.learner.restore(checkpoint.tensors, checkpoint.progress)
    if checkpoint.log and not any(name.startswith(f"{training.names[0]}_") for name in checkpoint.log[0]):
        # It began before the dataset had a val split, or that was known of.
        return replace(training, images=training.images._replace(val=None))
    return training


def train_or_resume(config: Config, path: Path, reporter: Reporter | None = None, *, stop_on_signals: bool) -> Run:
    """Train in a run folder, or go on with the training that it holds.

    Raises
    ------
    HiertaxError
        As `train` and `resume`; and if the folder holds a run with other settings.
    """
    run = Run(path)
    if not run.has_checkpoint:
        return _train(config, run, reporter_of(reporter), stop_on_signals=stop_on_signals)
    asked, own = resolved(config).to_json(), Header.read(last_checkpoint(path)).config.to_json()
    if other := [name for name, value in asked.items() if value != own[name] and name not in RUNTIME_FIELDS]:
        raise HiertaxError(f"{path}: a run with another `{other[0]}` is here; choose another folder")
    changes = {name: getattr(config, name) for name in RUNTIME_FIELDS}
    return resume(run, reporter=reporter, stop_on_signals=stop_on_signals, **changes)


def _refuse_another(file: Path, header: Header) -> None:
    """Refuse a hierarchy that differs from the checkpoint's on the classes of the run."""
    asked, own = Hierarchy.load(file), header.hierarchy
    if not set(own.classes) <= set(asked.classes) or asked.restrict(own.classes) != own:
        raise HiertaxError(
            f"{header.path}: was trained on another hierarchy ({own.name}) than {file}; leave `hierarchy` out to "
            "go on with its own, or train anew"
        )


@contextmanager
def _joined(reporter: Reporter) -> Iterator[tuple[ProcessGroup, Reporter]]:
    """Join the other processes, if there are any, and let only the first of them speak.

    One training at a time, since random numbers are drawn from generators of which a process has one each.
    """
    if not _TRAINING.acquire(blocking=False):
        raise HiertaxError(
            "another training is going on in this process, whose random numbers this one would change; wait for its "
            "end, or train in a process of its own"
        )
    try:
        with join_processes() as group:
            yield group, reporter.renewed(silent=not group.is_main)
    finally:
        _TRAINING.release()


def _alone(run: Run, group: ProcessGroup) -> Any:
    """Keep other trainings away from the run folder."""
    return locked(run.path) if group.is_main else nullcontext()


@contextmanager
def _heavy(config: Config, group: ProcessGroup, reporter: Reporter) -> Iterator[None]:
    """Import what training needs, and explain it if memory runs out."""
    with reporter.watch.part("imports"):
        import trainer.training.loop  # noqa: F401 - here, so that it is timed
        from trainer.runtime.device import explaining_memory
    with explaining_memory(config, group.size):
        yield


def _check(config: Config, group: ProcessGroup, *, resumed: bool = False) -> None:
    """Refuse before any work is done what could not be finished."""
    if config.tensorboard:
        check_board()
    check_batch(config, group.size)
    check_library(config.backbone)
    if not resumed:
        check_weights(config)


def resolved(config: Config) -> Config:
    """Return the config with its files' full paths, so that the run can be resumed from anywhere."""
    weights = config.weights if config.weights in WITHOUT_FILE else str(Path(config.weights).resolve())
    hierarchy, split = (
        None if file is None else str(Path(file).resolve()) for file in (config.hierarchy, config.split)
    )
    return replace(config, weights=weights, hierarchy=hierarchy, split=split, data=str(config.data_folder.resolve()))


def _new_folder(config: Config, hierarchy: Hierarchy | None) -> Path:
    """Return the first of ``runs/NAME``, ``runs/NAME-2``, ... that does not exist."""
    if hierarchy is not None:
        name = re.sub(r"[^\w.-]+", "_", hierarchy.name)
    else:
        name = config.data_folder.resolve().name if config.hierarchy is None else Path(config.hierarchy).stem
    base = Path("runs") / f"{name}-{config.method}-{config.seed}"
    candidates = (base, *(base.with_name(f"{base.name}-{i}") for i in range(2, 1000)))
    return next(folder for folder in candidates if not folder.exists())
