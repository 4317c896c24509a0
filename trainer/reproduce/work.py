"""How one process does its part of an experiment: whole networks one by one, or heads on features that they share."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from taxonomy import Hierarchy
from taxonomy.errors import Interrupted
from trainer.config import Config
from trainer.data.labelled import LabelledDataset
from trainer.evaluation.scores import Scores, score_logits
from trainer.evaluation.scoring import evaluate
from trainer.inference.predictor import Predictor
from trainer.reproduce.cells import Cell
from trainer.reproduce.frozen import FrozenSplits, logits_of, look, samples_of, train_heads
from trainer.reproduce.records import Record, commit, costs, levels_of, read_record, summaries, write_record
from trainer.runs.lock import TakenError, locked
from trainer.runs.log import read_log
from trainer.runtime.device import Compute, choose
from trainer.runtime.progress import Reporter
from trainer.runtime.signals import listening
from trainer.training.start import resolved, train_or_resume


def train_whole(cell: Cell, runs: Path, reporter: Reporter) -> None:
    """Train the run of a cell, or what is left of it, and score it.

    Raises
    ------
    HiertaxError
        As `train_or_resume` and `evaluate`.
    Interrupted
        After Ctrl-C or SIGTERM; what was learned is saved.
    """
    folder = runs / cell.name
    train_or_resume(cell.config, folder, reporter, stop_on_signals=True)
    with locked(folder):
        score_run(cell, folder, reporter)


def score_run(cell: Cell, folder: Path, reporter: Reporter) -> Record:
    """Score a trained run on its test images, and keep the record."""
    config = cell.config
    predictor = Predictor.load(folder, device=config.device)
    scores = evaluate(predictor, reporter, cache=config.cache, workers=config.workers, resamples=0)
    task = LabelledDataset.prepare(config, predictor.hierarchy, Reporter(silent=True), run=folder)
    train, held = task.dataset.to_learn(config.limit_per_class, config.val_fraction)
    rows = read_log(folder)
    names = [level.name for level in predictor.hierarchy.levels]
    validation = {name: rows[-1][f"{task.dataset.validation}_{name}"] for name in names} if len(held) else None
    found = _record(
        cell, predictor.config, scores, train=len(train), epochs=predictor.epoch,
        parameters=_count(predictor.network), compute=predictor.compute, seal=predictor.seal(), validation=validation,
        **costs(rows),
    )  # fmt: skip
    write_record(folder, found, scores)
    return found


def train_frozen(cells: Sequence[Cell], base: Path, runs: Path, reporter: Reporter) -> None:
    """Train heads for each cell on features that all of them share.

    A cell that is done is not done again, and one that another process is at is left to it.

    All cells have the settings that decide the features in common; they may have trees of their own over the same
    classes, and then images are left out of which only a taxon above the classes is known.

    Parameters
    ----------
    base
        The hierarchy file of the dataset.

    Raises
    ------
    HiertaxError
        As `look` and `train_heads`.
    Interrupted
        After Ctrl-C or SIGTERM, once the cell at hand is done.
    """
    config = replace(cells[0].config, hierarchy=str(base), seed=0)  # by which a backbone without weights is drawn
    task = LabelledDataset.prepare(config, Hierarchy.load(base), reporter)
    several = {cell.config.hierarchy for cell in cells} != {str(base)}
    seen = look(config, task, reporter, classes_only=several)
    total = sum(each.config.epochs for each in cells) * len(seen.train.labels)
    with listening() as signalled, reporter.images("training", total) as advance:
        for cell in cells:
            try:
                with locked(runs / cell.name):
                    if read_record(runs / cell.name) is None:
                        found = _heads(cell, task, seen, runs / cell.name, advance)
                        said = 100 * found.value("average")
                        reporter.say(f"{cell.name}: average {said:.2f} %, finest {100 * found.value('finest'):.2f} %")
            except TakenError:
                reporter.say(f"{cell.name}: another process is training it; it is left to that one")
            if signalled():
                raise Interrupted("interrupted", exit_code=128 + signalled())


def _heads(
    cell: Cell, task: LabelledDataset, seen: FrozenSplits, folder: Path, advance: Callable[[int], None]
) -> Record:
    config, begin = cell.config, time.perf_counter()
    tree, paths = tree_of(cell, task)
    network = train_heads(config, tree, samples_of(seen.train, paths[seen.train.labels]), advance)
    scores = score_logits(tree, paths[seen.test.labels], logits_of(network, seen.test, config))
    validation = None
    if seen.held is not None:
        held = score_logits(tree, paths[seen.held.labels], logits_of(network, seen.held, config))
        validation = {level.level: level.accuracy for level in levels_of(held)}
    found = _record(
        cell, resolved(config), scores, train=len(seen.train.labels), epochs=config.epochs,
        parameters=_count(network), compute=choose(config), minutes=(time.perf_counter() - begin) / 60,
        images_per_second=None, memory_mib=None, seal=None, validation=validation,
    )  # fmt: skip
    write_record(folder, found, scores)
    return found


def tree_of(cell: Cell, task: LabelledDataset) -> tuple[Hierarchy, Any]:
    """Return the tree of a cell, and the label of every class of a dataset at each of its levels, joined by name."""
    classes = task.dataset.classes
    tree = Hierarchy.load(cell.config.hierarchy_file)
    tree = tree if set(tree.classes) == set(classes) else tree.restrict(classes)
    if tree == task.hierarchy:
        return tree, task.paths  # with rows of taxa that are all that is known of some images
    return tree, tree.paths[[tree.class_index[name] for name in classes]]


def _record(cell: Cell, config: Config, scores: Scores, *, compute: Compute, **about: Any) -> Record:
    return Record(
        name=cell.name, source=cell.source, row=cell.row, seed=config.seed, method=config.method, test=scores.n,
        left_out=scores.left_out, levels=levels_of(scores), scores=summaries(scores),
        computed_on=f"{processor()}; {compute}; torch {torch.__version__}", commit=commit(),
        config=replace(config, device=cell.config.device).to_json(), **about,
    )  # fmt: skip


def _count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def processor() -> str:
    """Return the name of the processor, as far as the system tells it."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
