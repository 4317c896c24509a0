"""The command line ``hiertrain``: train, evaluate and use a classifier that answers at every level."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource as Source

from taxonomy.console import invocation
from trainer.config import PLACES, Config, read_settings
from trainer.options import Sectioned, option, options

if TYPE_CHECKING:
    from trainer.progress import Reporter

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
RUN = click.Path(exists=True, file_okay=False, path_type=Path)
LOOKING = ("limit_per_class", "skip_bad_images", "device", "cache", "workers")  # at which images, and how
JSON = click.option("--json", "as_json", is_flag=True, help="Print for a machine.")


def _take_from_file(ctx: click.Context, _param: click.Parameter, file: Path | None) -> None:
    """Let a file set what the command line leaves open."""
    if file is not None:
        ctx.default_map = read_settings(file)


def _given(ctx: click.Context, names: Iterable[str]) -> set[str]:
    """Return which of the options were given on the command line."""
    return {name for name in names if ctx.get_parameter_source(name) is Source.COMMANDLINE}


@click.group(cls=Sectioned, invoke_without_command=True)
@click.version_option(package_name="hiertax")
@click.option(
    "--config", type=FILE, is_eager=True, expose_value=False, callback=_take_from_file,
    help="Settings from a TOML file, such as the config.toml of a run; options given beside it win.",
)  # fmt: skip
@option("hierarchy", type=FILE)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Run folder [runs/HIERARCHY-METHOD-SEED]."
)
@click.option("--resume", type=RUN, help="Go on with a run; what is learned, and how, is its own.")
@options(*(name for name in Config.__dataclass_fields__ if name != "hierarchy"))
@click.pass_context
def main(ctx: click.Context, /, out: Path | None, resume: Path | None, **settings: Any) -> None:
    """Train a classifier that answers at every level of a label hierarchy.

    \b
    Example:
      hiertrain --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011
      hiertrain evaluate runs/cub_wiki-ours-0
      hiertrain predict runs/cub_wiki-ours-0 photo.jpg
      hiertrain --config runs/cub_wiki-ours-0/config.toml --seed 1
      torchrun --standalone --nproc-per-node 4 -m trainer --hierarchy hierarchies/cub_wiki.json
    """
    # Read when torch is imported, which is later: threads that wait for each other sleep instead of spinning. On a
    # quiet machine that costs a tenth of the speed; on one with other work, where they spin for nothing, it saves most.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if ctx.invoked_subcommand is not None:
        return
    if resume is not None and ctx.default_map:
        raise click.UsageError("--config is for a new run; leave it out with --resume.", ctx)
    if settings["hierarchy"] is None and resume is None:
        raise click.UsageError("name a hierarchy file by --hierarchy, a run by --resume, or a command.", ctx)
    if settings["patience"] and not settings["val_fraction"]:
        raise click.UsageError("--patience needs images to validate on: give --val-fraction, such as 0.1.", ctx)
    from trainer.progress import Reporter

    reporter = Reporter()
    if resume is not None:
        run = _resume(ctx, resume, settings, reporter)
    else:
        run = _train(Config(**{**settings, "hierarchy": str(settings["hierarchy"])}), out, reporter)
    if not reporter.console.quiet:  # of several processes one speaks
        click.echo(f"{run}: trained; next: hiertrain evaluate {run}")


def _train(config: Config, out: Path | None, reporter: Reporter) -> Path:
    from trainer.train import train

    return train(config, out or _new_folder(config), reporter).path


def _resume(ctx: click.Context, path: Path, settings: dict[str, Any], reporter: Reporter) -> Path:
    given = _given(ctx, settings)
    if own := sorted(given - {"hierarchy", *PLACES}):
        raise click.UsageError(f"--{own[0].replace('_', '-')} is the run's own; leave it out with --resume.", ctx)
    from trainer.train import resume

    changes = {name: settings[name] for name in given if name in PLACES}
    return resume(path, changes, reporter, hierarchy=settings["hierarchy"]).path


def _new_folder(config: Config) -> Path:
    """Return the first of ``runs/NAME``, ``runs/NAME-2``, ... that does not exist."""
    base = Path("runs") / f"{Path(config.hierarchy).stem}-{config.method}-{config.seed}"
    candidates = (base, *(base.with_name(f"{base.name}-{i}") for i in range(2, 1000)))
    return next(folder for folder in candidates if not folder.exists())


@main.command()
@click.argument("run", type=RUN)
@option("data", default=None, envvar=None, show_envvar=False, help="The dataset's folder, if it has moved.")
@options("device", "cache", "workers", "skip_bad_images")
@JSON
@click.pass_context
def evaluate(ctx: click.Context, /, run: Path, as_json: bool, **settings: Any) -> None:
    """Score a run on the whole test set.

    Accuracy per level beside what always guessing the commonest label would give, their average, the share
    right at every level, the share whose labels contradict each other, and how far wrong answers are off.

    \b
    Example:
      hiertrain evaluate runs/cub_wiki-ours-0
    """
    from trainer.checkpoint import Checkpoint
    from trainer.evaluate import evaluate as score
    from trainer.evaluate import heading, score_table
    from trainer.progress import Reporter, print_table

    changes = {name: settings[name] for name in ("device", "cache", "workers", *_given(ctx, settings))}
    scores = score(Checkpoint.load_to_answer(run), Reporter(), changes)
    if as_json:
        click.echo(json.dumps(scores, indent=2))
    else:
        click.echo(heading(scores))
        print_table(score_table(scores))


@main.command()
@click.argument("run", type=RUN)
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@options("device")
@JSON
def predict(run: Path, images: tuple[Path, ...], device: str, as_json: bool) -> None:
    """Name what is in images, from the root down, with a probability at every level.

    \b
    Example:
      hiertrain predict runs/cub_wiki-ours-0 photo.jpg folder/
    """
    from trainer.checkpoint import Checkpoint
    from trainer.predict import Predictor, find_images

    answers = Predictor(Checkpoint.load_to_answer(run), device).answer(find_images(images))
    if as_json:
        click.echo(json.dumps([answer.to_json() for answer in answers], indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(map(str, answers)))


@main.command()
@click.argument("runs", nargs=-1, required=True, type=RUN)
@click.option("--image", "images", multiple=True, type=click.Path(exists=True, path_type=Path), help="Image or folder.")
@click.option("--out", default="report.html", show_default=True, type=click.Path(dir_okay=False, path_type=Path))
def report(runs: tuple[Path, ...], images: tuple[Path, ...], out: Path) -> None:
    """Write one HTML page that compares runs: scores, learning curves, images and their chains.

    \b
    Example:
      hiertrain report runs/a runs/b --image photo.jpg --out report.html
    """
    from trainer.predict import find_images
    from trainer.progress import Reporter
    from trainer.report import write_report

    write_report(runs, find_images(images), out, Reporter())
    click.echo(f"{out}: written")


@main.command()
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to make.")
@click.option("--per-class-train", type=click.IntRange(1), default=30, show_default=True)
@click.option("--per-class-test", type=click.IntRange(1), default=10, show_default=True)
@click.option("--size", type=click.IntRange(32), default=128, show_default=True, help="Pixels per side.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def draw(out: Path, **settings: int) -> None:
    """Draw the sketchbirds: 36 invented species of 12 families and 5 orders, as an image folder.

    \b
    Example:
      hiertrain draw --out data/sketchbirds
    """
    from trainer.progress import Reporter
    from trainer.sketchbirds import birds, draw_dataset

    total = len(birds()) * (settings["per_class_train"] + settings["per_class_test"])
    with Reporter().images("drawing", total) as advance:
        draw_dataset(out, on_image=advance, **settings)
    click.echo(f"{out}: {total} images of {len(birds())} species")


@main.command()
@option("hierarchy", type=FILE, help="Hierarchy file of the dataset's classes [that of the run].")
@click.option("--run", type=RUN, help="Take the network of a trained run.")
@click.option("--out", default="features.npz", show_default=True, type=click.Path(dir_okay=False, path_type=Path))
@options("data", "backbone", "weights", "image_size", "batch_size", *LOOKING)
@click.pass_context
def extract(ctx: click.Context, /, hierarchy: Path | None, run: Path | None, out: Path, **settings: Any) -> None:
    """Write deep features of a dataset's training images, for `hiertax cluster`.

    One row per training image: the average-pooled last feature map of a pretrained backbone, or of a trained
    run's; of a run also what its finest head knows of each class. docs/clustering.md describes the file.

    \b
    Example:
      hiertrain extract --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011 --out features.npz
      hiertrain extract --run runs/cub_wiki-ours-0 --out features.npz
      hiertax cluster --method hc --features features.npz
    """
    given = _given(ctx, settings)
    if run is None and hierarchy is None:
        raise click.UsageError("name a hierarchy file by --hierarchy, or a run by --run.", ctx)
    if run is not None and (own := sorted(given & {"backbone", "weights", "image_size"})):
        raise click.UsageError(f"--{own[0].replace('_', '-')} is the run's own; leave it out.", ctx)
    from trainer.checkpoint import Checkpoint
    from trainer.extract import extract as from_backbone
    from trainer.extract import extract_from_run
    from trainer.progress import Reporter

    command = invocation("hiertrain", ctx)
    if run is None:
        made = from_backbone(Config(hierarchy=str(hierarchy), **settings), out, command, Reporter())
    else:
        trained = Checkpoint.load_to_answer(run).config
        changes = {name: settings[name] for name in (*LOOKING, *given)}
        made = extract_from_run(run, hierarchy, replace(trained, **changes), out, command, Reporter())
    images, width = made.features.shape
    click.echo(f"{out}: {images} x {width} features of {len(made.classes)} classes")
    click.echo(f"next: hiertax cluster --method hc --features {out}")


@main.group()
def reproduce() -> None:
    """Repeat an experiment of the paper on images that you have."""


def _on_frozen_features(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of an experiment on a frozen backbone."""
    decorators = (
        option("hierarchy", type=FILE, required=True),
        options("data", "backbone", "weights", "image_size", "batch_size", "epochs"),
        click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="How many seeds, from 0."),
        options(*LOOKING),
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
    from trainer.experiments import methods as experiment

    _run_experiment(experiment, Config(hierarchy=str(hierarchy), **settings), seeds, out, as_json, runs=runs)


def _run_experiment(experiment: Any, config: Config, seeds: int, out: Path | None, as_json: bool, **more: Any) -> None:
    from taxonomy.files import write_json
    from trainer.progress import Reporter, print_table

    result = experiment.run(config, seeds, Reporter(), **more)
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
    from trainer.experiments import hierarchy_ablation as experiment

    _run_experiment(experiment, Config(hierarchy=str(hierarchy), freeze_backbone=True, **settings), seeds, out, as_json)
