"""``hiertrain draw``: the sketchbirds as files."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
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
    from trainer.runtime.progress import Reporter
    from trainer.sketchbirds import birds, draw_dataset

    total = len(birds()) * (settings["per_class_train"] + settings["per_class_test"])
    with Reporter().images("drawing", total) as advance:
        draw_dataset(out, on_image=advance, **settings)
    click.echo(f"{out}: {total} images of {len(birds())} species")
