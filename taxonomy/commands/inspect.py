"""``hiertax inspect``: a dataset looked at before training."""

from __future__ import annotations

import json
from pathlib import Path

import click

from taxonomy.commands.parameters import HIERARCHY, OUTPUT


@click.command()
@click.argument("root", metavar="DIR|MANIFEST", type=click.Path(exists=True, path_type=Path))
@click.option("--hierarchy", type=HIERARCHY, help="Whose classes the images should be of [the dataset's own levels].")
@click.option("--image-size", type=click.IntRange(32, 4096), default=224, show_default=True,
              help="Height and width in which images are wanted.")  # fmt: skip
@click.option("--fix-list", type=OUTPUT, help="CSV to write: what to mend, a line each.")
@click.option("--json", "as_json", is_flag=True, help="Print everything for a machine.")
@click.pass_context
def inspect(
    context: click.Context, root: Path, hierarchy: Path | None, image_size: int, fix_list: Path | None, as_json: bool
) -> None:
    """Look at a dataset of images before training.

    Its layout, its images by split and by taxon of every level, rare and missing classes, images that cannot be
    decoded or are there twice, sizes and formats, and how long decoding will take on this machine. Every image is
    opened, which takes about as long as the decoding.

    The exit code is 1 if something was found that training refuses or leaves out, or that makes scores wrong: an image
    in several splits or with contradicting labels, one that cannot be decoded or is missing, a class without a place
    in the hierarchy or without images to train on.

    \b
    Example:
      hiertax inspect CUB_200_2011 --hierarchy hierarchies/cub_wiki.json
      hiertax inspect photos --fix-list mend.csv
      hiertax inspect images.csv --json
    """
    from taxonomy.commands.reading_options import load
    from taxonomy.inspection import inspect_dataset, write_fix_list
    from taxonomy.inspection.text import print_inspection
    from taxonomy.progress import images_bar

    given = load(hierarchy) if hierarchy else None
    with images_bar() as progress:
        found = inspect_dataset(root, given, image_size=image_size, progress=progress)
    if fix_list:
        write_fix_list(found.findings, fix_list)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    else:
        print_inspection(found, fix_list)
    context.exit(0 if found.is_sound else 1)
