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
    """Print a hierarchy: its levels, their sizes, a readable outline, and what is known wrong with its dataset.

    \b
    Example:
      hiertax show hierarchies/cub_wiki.json
    """
    from taxonomy.errata import in_words, known_of
    from taxonomy.hierarchy import Hierarchy
    from taxonomy.outline import describe, outline

    hierarchy = Hierarchy.load(file)
    errata = known_of(hierarchy)
    if as_json:
        about = describe(hierarchy) | {"errata": [erratum._asdict() for erratum in errata]}
        click.echo(json.dumps(about, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join([outline(hierarchy), *in_words(errata)]))


@main.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the dataset; its classes must match.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 on warnings too.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings for a machine.")
@click.pass_context
def validate(context: click.Context, files: tuple[Path, ...], root: Path | None, strict: bool, as_json: bool) -> None:
    r"""Say everything that is wrong with hierarchies; exit with 1 if one has an error.

    Reads hierarchy files, lineage tables (CSV: a header of level names, one row per class) and parent-child
    tables (CSV: child,parent[,level]), however broken. docs/validation.md lists the rules.

    \b
    Example:
      hiertax validate hierarchies/cub_wiki.json
      hiertax validate birds.csv --root CUB_200_2011 --strict
    """
    from taxonomy.validation import validate as check_file

    reports = [check_file(file, root) for file in files]
    sound = all(report.sound(strict=strict) for report in reports)
    if as_json:
        content = {"sound": sound, "files": [report.to_json() for report in reports]}
        click.echo(json.dumps(content, indent=2))
    else:
        click.echo("\n\n".join(report.to_text() for report in reports))
    context.exit(0 if sound else 1)


@main.command()
@click.argument("a", type=HIERARCHY)
@click.argument("b", type=HIERARCHY)
@click.option("--json", "as_json", is_flag=True, help="Print the differences for a machine.")
def compare(a: Path, b: Path, as_json: bool) -> None:
    r"""Say how hierarchy B differs from hierarchy A: classes moved, taxa renamed, split, merged, gone, come.

    ARI and AMI tell how well two levels group the shared classes alike: 1 the same, about 0 by chance.

    \b
    Example:
      hiertax compare hierarchies/cub_paper.json hierarchies/cub_wiki.json
    """
    from taxonomy.compare import compare as compared
    from taxonomy.compare import summary
    from taxonomy.hierarchy import Hierarchy

    comparison = compared(Hierarchy.load(a), Hierarchy.load(b))
    click.echo(json.dumps(comparison.to_json(), indent=2, ensure_ascii=False) if as_json else summary(comparison))
