"""``hiertrain predict``: name what is in images."""

from __future__ import annotations

import json
from pathlib import Path

import click

from trainer.commands.options import options
from trainer.commands.parameters import JSON, RUN


@click.command()
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
    from taxonomy.datasets import find_images
    from trainer.inference.predictor import Predictor
    from trainer.runs.checkpoint import Checkpoint

    found = find_images(images)
    for note in found.notes:
        click.echo(note, err=True)
    answers = Predictor(Checkpoint.load_to_answer(run), device).answer(found.paths)
    if as_json:
        click.echo(json.dumps([answer.to_json() for answer in answers], indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(map(str, answers)))
