"""``hiertrain extract``: deep features for clustering."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from taxonomy.console import invocation
from trainer.commands.flags import command_reporter
from trainer.commands.options import option, options
from trainer.commands.parameters import FILE, IMAGE_OPTIONS, RUN, check_places, given
from trainer.config import Config


@click.command()
@option("hierarchy", type=FILE, help="Hierarchy file of the dataset's classes [that of the run].")
@click.option("--run", type=RUN, help="Take the network of a trained run.")
@click.option("--out", default="features.npz", show_default=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--split", type=click.Choice(["train", "val", "test", "all"]), default="train", show_default=True,
    help="Of which images.",
)  # fmt: skip
@options("data", "backbone", "weights")
@option(
    "pool", default=None, show_default=False,
    help="Of each feature the largest or mean, or the class token [avg; of a run its own, but avg for max].",
)  # fmt: skip
@options("image_size", "batch_size", "crop_to_box", *IMAGE_OPTIONS)
@click.pass_context
def extract(
    ctx: click.Context, /, hierarchy: Path | None, run: Path | None, out: Path, split: str, **settings: Any
) -> None:  # fmt: skip
    """Write deep features of a dataset's images, for `hiertax cluster`.

    One row per image: the pooled last feature map of a pretrained backbone, or of a trained run's; of a
    run also what its finest head knows of each class. docs/clustering.md describes the file.

    \b
    Example:
      hiertrain extract --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011 --out features.npz
      hiertrain extract --run runs/cub_wiki-ours-0 --out features.npz
      hiertax cluster --method hc --features features.npz
    """
    changed = given(ctx, settings)
    if run is None and hierarchy is None:
        raise click.UsageError("name a hierarchy file by --hierarchy, or a run by --run.", ctx)
    if run is not None and (own := sorted(changed & {"backbone", "weights", "image_size", "crop_to_box"})):
        raise click.UsageError(f"--{own[0].replace('_', '-')} is the run's own; leave it out.", ctx)
    check_places()
    from trainer.inference.extraction import extract as from_backbone
    from trainer.inference.extraction import extract_from_run, feature_pool
    from trainer.runs.checkpoint import Checkpoint

    command, reporter = invocation("hiertrain", ctx), command_reporter()
    if run is None:
        settings["pool"] = settings["pool"] or "avg"
        made = from_backbone(Config(hierarchy=str(hierarchy), **settings), out, command, reporter, split=split)
    else:
        trained = Checkpoint.load_to_answer(run).config
        changes = {name: settings[name] for name in (*IMAGE_OPTIONS, *changed)}
        changes["pool"] = settings["pool"] or feature_pool(trained.pool)
        made = extract_from_run(run, hierarchy, replace(trained, **changes), out, command, reporter, split=split)
    images, width = made.features.shape
    click.echo(f"{out}: {images} x {width} features of {len(made.classes)} classes")
    click.echo(f"next: hiertax cluster --method hc --features {out}")
