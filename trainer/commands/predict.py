"""``hiertrain predict``: name what is in images."""

from __future__ import annotations

import json
from pathlib import Path

import click

from trainer.commands.flags import command_reporter
from trainer.commands.options import options
from trainer.commands.parameters import JSON, RUN, check_places


@click.command()
@click.argument("run", type=RUN)
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@options("device")
@JSON
def predict(run: Path, images: tuple[Path, ...], device: str, as_json: bool) -> None:
    """Name what is in images, from the root down, with a probability at every level.

    \b
    Example:
      hiertrain predict runs/cub_wiki-ours-0 photo.jpg folder/ shard.tar
    """
    check_places()
    from taxonomy.datasets import find_images

    found, reporter = find_images(images), command_reporter()
    for note in found.notes:
        reporter.say(note)
    from trainer.api.model import load  # once there are images: torch takes seconds to import

    answers = load(run, device=device).predict(found.paths, reporter=reporter)
    click.echo(json.dumps(answers.to_json(), indent=2, ensure_ascii=False) if as_json else str(answers))
