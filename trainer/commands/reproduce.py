"""``hiertrain reproduce``: experiments of the paper."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from trainer.commands.flags import command_reporter
from trainer.commands.options import option, options
from trainer.commands.parameters import FILE, IMAGE_OPTIONS, JSON, check_places
from trainer.config import Config


@click.group()
def reproduce() -> None:
    """Repeat an experiment of the paper on images that you have."""


def _on_frozen_features(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of an experiment on a frozen backbone."""
    decorators = (
        option("hierarchy", type=FILE, required=True),
        options("data", "backbone", "weights", "image_size", "batch_size", "epochs", "crop_to_box"),
        click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="How many seeds, from 0."),
        options(*IMAGE_OPTIONS),
        click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the scores to a JSON file."),
        JSON,
    )
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


@reproduce.command("methods")
@_on_frozen_features
@click.option(
    "--runs", type=click.Path(file_okay=False, path_type=Path),
    help="Train whole networks instead, as runs METHOD-SEED in this folder; what is there already is used.",
)  # fmt: skip
@options("precision", "compile")
def methods(hierarchy: Path, seeds: int, out: Path | None, as_json: bool, runs: Path | None, **settings: Any) -> None:
    """Compare the four methods on one hierarchy.

    All else is the same. Without --runs the backbone is frozen: on frozen features the methods hardly differ. Every
    method is scored twice, each head answering for itself (as in the paper) and along one consistent path (as
    `hiertrain predict` answers). Mean ± standard deviation over seeds, in percent.

    \b
    Example:
      hiertrain reproduce methods --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011
      hiertrain reproduce methods --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011 --runs runs/methods
    """
    check_places()
    from trainer.reproduce import methods as experiment

    _run_experiment(experiment, Config(hierarchy=str(hierarchy), **settings), seeds, out, as_json, runs=runs)


def _run_experiment(experiment: Any, config: Config, seeds: int, out: Path | None, as_json: bool, **more: Any) -> None:
    from taxonomy.files import write_json
    from trainer.runtime.progress import print_table

    result = experiment.run(config, seeds, command_reporter(), **more)
    if as_json:
        click.echo(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        print_table(experiment.result_table(result))
    if out is not None:
        write_json(out, result)


@reproduce.command("hierarchy-ablation")
@_on_frozen_features
def hierarchy_ablation(hierarchy: Path, seeds: int, out: Path | None, as_json: bool, **settings: Any) -> None:
    """Compare what hierarchies of different origin are worth.

    Trains on the manual tree, on trees found in deep features of the training images (hc, dft), on random trees
    of the same shape and on the finest labels alone (flat). Backbone frozen, all else the same. Accuracies are
    mean ± standard deviation over seeds, in percent; (majority) is what always guessing the commonest label
    scores; ARI compares a level with the manual one.

    \b
    Example:
      hiertrain reproduce hierarchy-ablation --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011
    """
    check_places()
    from trainer.reproduce import hierarchy_ablation as experiment

    _run_experiment(experiment, Config(hierarchy=str(hierarchy), freeze_backbone=True, **settings), seeds, out, as_json)


@reproduce.command("partial-labels")
@_on_frozen_features
@options("method")
def partial_labels(hierarchy: Path, seeds: int, out: Path | None, as_json: bool, **settings: Any) -> None:
    """Compare what can be done with images whose finest label is not known.

    The finest labels of 30, 60 and 90 % of the training images of each class are hidden, all others stay. Then these
    images are left out; or kept for the levels that they know (mask); or kept, and answer at the finest level for
    their taxon too (marginal). Backbone frozen, all else the same, and as many steps of the optimiser. Every way is
    scored on all levels of all test images, each head answering for itself and along one path. Mean ± standard
    deviation over seeds, in percent, as Markdown.

    \b
    Example:
      hiertrain reproduce partial-labels --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011
    """
    check_places()
    from trainer.reproduce import partial_labels as experiment

    _run_experiment(experiment, Config(hierarchy=str(hierarchy), freeze_backbone=True, **settings), seeds, out, as_json)
