"""The command line ``hiertax``: build, look at and check label hierarchies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from taxonomy.console import Console

DATASETS = ("cub", "cub-paper", "aircraft", "cars", "sketchbirds")
OUT = click.Path(dir_okay=False, path_type=Path)
IN = click.Path(exists=True, dir_okay=False, path_type=Path)
HIERARCHY = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=Console)
@click.version_option(package_name="hiertax")
def main() -> None:
    r"""Turn flat fine-grained image datasets into sound, levelled label hierarchies.

    \b
    Example:
      hiertax build --dataset cub
      hiertax show hierarchies/cub_wiki.json
    """


@main.command()
@click.option("--dataset", type=click.Choice(DATASETS), help="Whose classes to arrange.")
@click.option("--names", type=IN, help="Your own classes: one per line, or a CSV with a column class.")
@click.option("--levels", help="With --names: the ranks, coarsest first, such as order,family,species.")
@click.option("--source", type=click.Choice(["curated", "wikipedia"]), help="Reviewed tables, or Wikipedia's pages.")
@click.option("--contact", envvar="HIERTAX_CONTACT", help="Your e-mail or URL, sent to Wikipedia [$HIERTAX_CONTACT].")
@click.option("--api-url", help="Another MediaWiki's api.php [https://en.wikipedia.org/w/api.php].")
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), help="Folder of Wikipedia's answers.")
@click.option("--offline", is_flag=True, help="Rebuild from the cached answers, without any request.")
@click.option("--review", type=OUT, help="CSV of where Wikipedia differs from the reviewed table.")
@click.option("--out", type=OUT, help="File to write [hierarchies/NAME.json].")
def build(
    dataset: str | None,
    names: Path | None,
    levels: str | None,
    source: str | None,
    out: Path | None,
    **wikipedia: Any,
) -> None:
    r"""Build a hierarchy file: from the package's reviewed tables without a network, or from Wikipedia.

    `cub` is the corrected bird tree (13/37/200); `cub-paper` the published one (13/38/200), slip included.
    From Wikipedia, each class's page is asked (200 requests a minute at most), every fact that two pages state is
    cross-checked, and NAME.evidence.csv tells who says what. Answers are cached: an interrupted build goes on.

    \b
    Example:
      hiertax build --dataset cub --out cub.json
      hiertax build --dataset cub --source wikipedia --contact you@example.org --review diff.csv
      hiertax build --names birds.txt --levels order,family,species --contact you@example.org
    """
    if (dataset is None) == (names is None):
        raise click.UsageError("Give either --dataset or --names.")
    if (names is None) != (levels is None):
        raise click.UsageError("--names and --levels go together.")
    if names is not None or source == "wikipedia":
        _build_from_wikipedia(dataset, names, levels, source, out, wikipedia)
        return
    if idle := [f"--{key.replace('_', '-')}" for key in ("api_url", "cache", "offline", "review") if wikipedia[key]]:
        raise click.UsageError(f"{idle[0]} goes with --source wikipedia.")
    from taxonomy.sources import curated

    hierarchy = curated.build(str(dataset))
    out = out or Path("hierarchies") / f"{hierarchy.name}.json"
    hierarchy.save(out)
    sizes = ", ".join(f"{len(level)} {level.name}" for level in hierarchy.levels)
    click.echo(f"{out}: {hierarchy.root} > {sizes}")


def _build_from_wikipedia(
    dataset: str | None,
    names: Path | None,
    levels: str | None,
    source: str | None,
    out: Path | None,
    asked: dict[str, Any],
) -> None:
    if source == "curated":
        raise click.UsageError("--names are looked up on Wikipedia; leave out --source curated.")
    from taxonomy.sources.wikipedia.build import of_dataset, of_names
    from taxonomy.sources.wikipedia.command import run

    request = of_names(names, (levels or "").split(",")) if names else of_dataset(str(dataset))
    run(request, out=out, **asked)


@main.command()
@click.argument("file", type=HIERARCHY)
@click.option("--json", "as_json", is_flag=True, help="Print levels and sizes for a machine.")
def show(file: Path, as_json: bool) -> None:
    r"""Print a hierarchy: its levels, their sizes, and a readable outline.

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
