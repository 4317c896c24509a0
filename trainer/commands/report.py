"""``hiertrain report``: one page on some runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from trainer.commands.flags import command_reporter
from trainer.commands.options import option, options
from trainer.commands.parameters import RUN, check_places, given


@click.command()
@click.argument("runs", nargs=-1, required=True, type=RUN)
@click.option(
    "--image", "images", multiple=True, type=click.Path(exists=True, path_type=Path),
    help="Image or folder to show too; may be given several times.",
)  # fmt: skip
@click.option("--out", default="report.html", show_default=True, type=click.Path(dir_okay=False, path_type=Path))
@option("data", default=None, envvar=None, show_envvar=False, help="The dataset's folder, if it has moved.")
@options("device", "cache", "workers", "skip_bad_images")
@click.pass_context
def report(ctx: click.Context, /, runs: tuple[Path, ...], images: tuple[Path, ...], out: Path, **settings: Any) -> None:
    """Write one HTML page on some runs: what they were asked for, how good they are and where, what they looked at.

    It holds protocol, learning curves, scores with intervals and paired differences, correctness against depth,
    reliability, the tree with the accuracy of each taxon, confused taxa, and the best and worst cases with maps. It
    loads nothing and may be sent as it is.

    \b
    Example:
      hiertrain report runs/ours
      hiertrain report runs/vanilla_single runs/ours --image photo.jpg --out report.html
    """
    check_places(may_lack_data=True)
    from taxonomy.datasets import find_images

    found, reporter = find_images(images), command_reporter()
    for note in found.notes:
        reporter.say(note)
    from trainer.api.model import load  # once there are images: torch takes seconds to import
    from trainer.evaluation.scoring import label_runs
    from trainer.reporting.report import write_report

    device = settings.pop("device")
    own = {name: settings[name] if name in given(ctx, settings) else None for name in ("data", "skip_bad_images")}
    models = {called: load(run, device=device) for called, run in label_runs(runs).items()}
    write_report(models, out, reporter, images=found.paths, **{**settings, **own})
    click.echo(f"{out}: written")
