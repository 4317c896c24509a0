"""The command line ``hiertrain``: train, evaluate and use a classifier that answers at every level."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource as Source

from taxonomy.console import Console, invocation
from trainer.config import METHODS, Config


def _default(name: str) -> Any:
    return Config.__dataclass_fields__[name].default


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
RUN = click.Path(exists=True, file_okay=False, path_type=Path)
DATA = click.option(
    "--data", envvar="HIERTAX_DATA", default="data", show_default=True, show_envvar=True, help="The dataset's folder."
)
BACKBONE = click.option("--backbone", default=_default("backbone"), show_default=True, help="A torchvision network.")
WEIGHTS = click.option("--weights", default=_default("weights"), show_default=True, help="imagenet, none, or a file.")
IMAGE_SIZE = click.option("--image-size", type=click.IntRange(32), default=_default("image_size"), show_default=True)
BATCH_SIZE = click.option("--batch-size", type=click.IntRange(2), default=_default("batch_size"), show_default=True)
SKIP_BAD_IMAGES = click.option(
    "--skip-bad-images", is_flag=True, help="Count images that cannot be decoded, and go on without them."
)
DEVICE = click.option("--device", default="auto", show_default=True, help="cpu, cuda or auto.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print for a machine.")


@click.group(cls=Console, invoke_without_command=True)
@click.version_option(package_name="hiertax")
@click.option("--hierarchy", type=FILE, help="Hierarchy file, as `hiertax build` writes it.")
@DATA
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Run folder [runs/HIERARCHY-METHOD-SEED]."
)
@click.option("--resume", type=RUN, help="Go on with a run; all other options are its own.")
@click.option("--method", type=click.Choice(METHODS), default=_default("method"), show_default=True)
@BACKBONE
@WEIGHTS
@click.option("--freeze-backbone", is_flag=True, help="Train neck and heads alone, on features computed once.")
@IMAGE_SIZE
@click.option("--epochs", type=click.IntRange(1), default=_default("epochs"), show_default=True)
@BATCH_SIZE
@click.option("--learning-rate", type=click.FloatRange(0), default=_default("learning_rate"), show_default=True)
@click.option(
    "--backbone-learning-rate", type=click.FloatRange(0), default=_default("backbone_learning_rate"), show_default=True
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=_default("seed"), show_default=True)
@click.option("--limit-per-class", type=click.IntRange(1), help="Train on the first so many images of each class.")
@SKIP_BAD_IMAGES
@DEVICE
@click.pass_context
def main(ctx: click.Context, /, hierarchy: Path | None, out: Path | None, resume: Path | None, **settings: Any) -> None:
    """Train a classifier that answers at every level of a label hierarchy.

    \b
    Example:
      hiertrain --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011
      hiertrain evaluate runs/cub_wiki-ours-0
      hiertrain predict runs/cub_wiki-ours-0 photo.jpg
    """
    if ctx.invoked_subcommand is not None:
        return
    if hierarchy is None and resume is None:
        raise click.UsageError("name a hierarchy file by --hierarchy, a run by --resume, or a command.", ctx)
    from trainer import train
    from trainer.progress import Reporter

    reporter = Reporter()
    if resume is not None:
        run = train.resume(resume, reporter)
    else:
        config = Config(hierarchy=str(hierarchy), **settings)
        run = train.train(config, out or _new_folder(config), reporter)
    click.echo(f"{run.path}: trained; next: hiertrain evaluate {run.path}")


def _new_folder(config: Config) -> Path:
    """Return the first of ``runs/NAME``, ``runs/NAME-2``, ... that does not exist."""
    base = Path("runs") / f"{Path(config.hierarchy).stem}-{config.method}-{config.seed}"
    candidates = (base, *(base.with_name(f"{base.name}-{i}") for i in range(2, 1000)))
    return next(folder for folder in candidates if not folder.exists())


@main.command()
@click.argument("run", type=RUN)
@click.option("--data", help="The dataset's folder, if it has moved.")
@DEVICE
@JSON
def evaluate(run: Path, data: str | None, device: str, as_json: bool) -> None:
    """Score a run on the whole test set.

    Accuracy per level beside what always guessing the commonest label would give, their average, the share
    right at every level, the share whose labels contradict each other, and how far wrong answers are off.

    \b
    Example:
      hiertrain evaluate runs/cub_wiki-ours-0
    """
    from trainer.evaluate import evaluate as score
    from trainer.evaluate import heading, score_table
    from trainer.progress import Reporter, print_table

    scores = score(run, Reporter(), data=data, device=device)
    if as_json:
        click.echo(json.dumps(scores, indent=2))
    else:
        click.echo(heading(scores))
        print_table(score_table(scores))


@main.command()
@click.argument("run", type=RUN)
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@DEVICE
@JSON
def predict(run: Path, images: tuple[Path, ...], device: str, as_json: bool) -> None:
    """Name what is in images, from the root down, with a probability at every level.

    \b
    Example:
      hiertrain predict runs/cub_wiki-ours-0 photo.jpg folder/
    """
    from trainer.predict import Predictor, find_images

    answers = Predictor(run, device).answer(find_images(images))
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
@click.option("--hierarchy", type=FILE, help="Hierarchy file of the dataset's classes [that of the run].")
@DATA
@BACKBONE
@WEIGHTS
@click.option("--run", type=RUN, help="Take the network of a trained run.")
@click.option("--out", default="features.npz", show_default=True, type=click.Path(dir_okay=False, path_type=Path))
@IMAGE_SIZE
@BATCH_SIZE
@click.option("--limit-per-class", type=click.IntRange(1), help="Take the first so many images of each class.")
@SKIP_BAD_IMAGES
@DEVICE
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
    given = {name for name in settings if ctx.get_parameter_source(name) not in (Source.DEFAULT, Source.DEFAULT_MAP)}
    if run is None and hierarchy is None:
        raise click.UsageError("name a hierarchy file by --hierarchy, or a run by --run.", ctx)
    if run is not None and (own := sorted(given & {"backbone", "weights", "image_size"})):
        raise click.UsageError(f"--{own[0].replace('_', '-')} is the run's own; leave it out.", ctx)
    from trainer.extract import extract as from_backbone
    from trainer.extract import extract_from_run
    from trainer.progress import Reporter
    from trainer.run import Checkpoint

    command = invocation("hiertrain", ctx)
    if run is None:
        made = from_backbone(Config(hierarchy=str(hierarchy), **settings), out, command, Reporter())
    else:
        trained = Checkpoint.load(run).config
        changes = {name: settings[name] for name in ("device", "limit_per_class", "skip_bad_images", *given)}
        made = extract_from_run(run, hierarchy, replace(trained, **changes), out, command, Reporter())
    images, width = made.features.shape
    click.echo(f"{out}: {images} x {width} features of {len(made.classes)} classes")
    click.echo(f"next: hiertax cluster --method hc --features {out}")


@main.group()
def reproduce() -> None:
    """Repeat an experiment of the paper on images that you have."""


def _on_frozen_features(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of an experiment on a frozen backbone."""
    options = (
        click.option("--hierarchy", required=True, type=FILE, help="The hierarchy file."),
        *(DATA, BACKBONE, WEIGHTS, IMAGE_SIZE, BATCH_SIZE),
        click.option("--epochs", type=click.IntRange(1), default=_default("epochs"), show_default=True),
        click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="How many seeds, from 0."),
        click.option("--limit-per-class", type=click.IntRange(1), help="Train on the first so many of each class."),
        SKIP_BAD_IMAGES,
        click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the scores to a JSON file."),
        *(DEVICE, JSON),
    )
    for option in reversed(options):
        command = option(command)
    return command


@reproduce.command("methods")
@_on_frozen_features
def methods(hierarchy: Path, seeds: int, out: Path | None, as_json: bool, **settings: Any) -> None:
    """Compare the four methods on one hierarchy.

    Backbone frozen, all else the same: on frozen features the methods hardly differ. Every method is scored twice,
    each head answering for itself (as in the paper) and along one consistent path (as `hiertrain predict` answers).
    Mean ± standard deviation over seeds, in percent.

    \b
    Example:
      hiertrain reproduce methods --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011
    """
    from trainer.experiments import methods as experiment

    _run_experiment(experiment, Config(hierarchy=str(hierarchy), freeze_backbone=True, **settings), seeds, out, as_json)


def _run_experiment(experiment: Any, config: Config, seeds: int, out: Path | None, as_json: bool) -> None:
    from taxonomy.files import write_json
    from trainer.progress import Reporter, print_table

    result = experiment.run(config, seeds, Reporter())
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
