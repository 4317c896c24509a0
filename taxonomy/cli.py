"""The command line ``hiertax``: build, look at and check label hierarchies."""

from __future__ import annotations

import json
from pathlib import Path

import click

from taxonomy.console import Console
from taxonomy.sources.wikipedia.options import or_from_wikipedia

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
@click.option("--dataset", type=click.Choice(DATASETS), help="Whose classes to arrange.")
@click.option("--levels", metavar="A,B,...", help="Names of the levels, coarsest first; with --names.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write [hierarchies/NAME.json].")
@or_from_wikipedia
def build(dataset: str | None, levels: str | None, out: Path | None) -> None:
    """Build a hierarchy file: from the package's reviewed tables without a network, or from Wikipedia.

    `cub` is the corrected bird tree (13/37/200); `cub-paper` the published one (13/38/200), slip included.

    From Wikipedia, each class's page is asked, at most 200 requests a minute; every fact that two pages state is
    cross-checked, none is guessed, and NAME.evidence.csv tells who says what. Answers are cached: an interrupted
    build goes on where it stopped. docs/wikipedia.md tells the rules.

    \b
    Example:
      hiertax build --dataset cub --out cub.json
      hiertax build --dataset cub --source wikipedia --contact you@example.org --review diff.csv
      hiertax build --names birds.txt --levels order,family,species --contact you@example.org
    """
    if dataset is None or levels is not None:
        raise click.UsageError("give --dataset alone, or --names with --levels.")
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
