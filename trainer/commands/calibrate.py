"""``hiertrain calibrate``: make a run as sure as it is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from trainer.commands.flags import command_reporter
from trainer.commands.options import option, options
from trainer.commands.parameters import JSON, RUN, check_places, given
from trainer.inference.answering.wishes import check_target


@click.command()
@click.argument("run", type=RUN)
@click.option("--test", is_flag=True, help="Tell what it is worth on the test images too, which have no part in it.")
@click.option(
    "--target-accuracy", type=float, default=0.95, show_default=True,
    help="The share of answers to be right of the cautious ones that --test compares.",
)  # fmt: skip
@click.option(
    "--unknown", multiple=True, type=click.Path(exists=True, path_type=Path),
    help="Image or folder of what the run does not know; tells how well it says so. May be given several times.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for plots, and for the tables as CSV."
)
@option("data", default=None, envvar=None, show_envvar=False, help="The dataset's folder, if it has moved.")
@options("device", "cache", "workers", "skip_bad_images")
@JSON
@click.pass_context
def calibrate(
    ctx: click.Context, /, run: Path, test: bool, target_accuracy: float, unknown: tuple[Path, ...], out: Path | None,
    as_json: bool, **settings: Any,
) -> None:  # fmt: skip
    """Calibrate a run: make its probabilities say how often it is right.

    A temperature for each level's head, and a weight for each head in whole paths, are fitted on the images that the
    run holds out to validate on, and kept in the run; a training that holds images out ends with this by itself. Then
    `hiertrain predict` can stop where it is no longer sure enough. docs/answers.md tells more.

    \b
    Example:
      hiertrain calibrate runs/cub_wiki-ours-0
      hiertrain calibrate runs/cub_wiki-ours-0 --test --target-accuracy 0.95 --out calibration
      hiertrain calibrate runs/cub_wiki-ours-0 --unknown fish/
    """
    check_target(target_accuracy)
    check_places()
    from trainer.api.model import load
    from trainer.inference.answering.assess import assess
    from trainer.runtime.progress import print_table

    model = load(run, device=settings.pop("device"))
    asked = given(ctx, settings)
    own = {name: settings[name] if name in asked else None for name in ("data", "skip_bad_images")}
    where = {**settings, **own}
    found = assess(model, command_reporter(), test=test, target=target_accuracy, unknown=unknown, **where)
    if out is not None:
        found.write(out)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
        return
    click.echo(f"{run}: {found.heading}")
    for title, table in found.tables():
        click.echo(title)
        print_table(table)
    if out is not None:
        click.echo(f"{out}: plots and tables written")
