"""The command line ``hiertax``: build, look at and check label hierarchies."""

from __future__ import annotations

import json
from pathlib import Path

import click

from taxonomy.console import Console

DATASETS = ("cub", "cub-paper", "aircraft", "cars", "sketchbirds")
HIERARCHY = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=Console)
@click.version_option(package_name="hiertax")
def main() -> None:
    """Turn flat fine-grained image datasets into sound, levelled label hierarchies.

    \b
    Example:
      hiertax build --dataset cub
      hiertax show hierarchies/cub_wiki.json
    """


@main.command()
@click.option("--dataset", type=click.Choice(DATASETS), required=True, help="Whose classes to arrange.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write [hierarchies/NAME.json].")
def build(dataset: str, out: Path | None) -> None:
    """Build a hierarchy file from the package's reviewed tables, without a network.

    `cub` is the corrected bird tree (13/37/200); `cub-paper` the published one (13/38/200), slip included.

    \b
    Example:
      hiertax build --dataset cub --out cub.json
    """
    from taxonomy.sources import curated

    hierarchy = curated.build(dataset)
    out = out or Path("hierarchies") / f"{hierarchy.name}.json"
    hierarchy.save(out)
    sizes = ", ".join(f"{len(level)} {level.name}" for level in hierarchy.levels)
    click.echo(f"{out}: {hierarchy.root} > {sizes}")


@main.command()
@click.argument("file", type=HIERARCHY)
@click.option("--json", "as_json", is_flag=True, help="Print levels and sizes for a machine.")
def show(file: Path, as_json: bool) -> None:
    """Print a hierarchy: its levels, their sizes, and a readable outline.

    \b
    Example:
      hiertax show hierarchies/cub_wiki.json
    """
    from taxonomy.hierarchy import Hierarchy
    from taxonomy.outline import describe, outline

    hierarchy = Hierarchy.load(file)
    if as_json:
        click.echo(json.dumps(describe(hierarchy), indent=2, ensure_ascii=False))
    else:
        click.echo(outline(hierarchy))
