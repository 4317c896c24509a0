"""``hiertrain report``: one page that compares runs."""

from __future__ import annotations

from pathlib import Path

import click

from trainer.commands.flags import command_reporter
from trainer.commands.parameters import RUN, check_places


@click.command()
@click.argument("runs", nargs=-1, required=True, type=RUN)
@click.option("--image", "images", multiple=True, type=click.Path(exists=True, path_type=Path), help="Image or folder.")
@click.option("--out", default="report.html", show_default=True, type=click.Path(dir_okay=False, path_type=Path))
def report(runs: tuple[Path, ...], images: tuple[Path, ...], out: Path) -> None:
    """Write one HTML page that compares runs: scores, learning curves, images and their chains.

    \b
    Example:
      hiertrain report runs/a runs/b --image photo.jpg --out report.html
    """
    check_places()
    from taxonomy.datasets import find_images

    found, reporter = find_images(images), command_reporter()
    for note in found.notes:
        reporter.say(note)
    from trainer.reporting.report import write_report  # once there are images: torch takes seconds to import

    write_report(runs, found.paths, out, reporter)
    click.echo(f"{out}: written")
