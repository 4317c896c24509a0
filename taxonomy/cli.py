"""The command line ``hiertax``: build, look at and check label hierarchies."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taxonomy.console import Console, invocation
from taxonomy.sources.wikipedia.options import or_from_wikipedia

if TYPE_CHECKING:
    from taxonomy.hierarchy import Hierarchy
    from taxonomy.leveling import Ragged

DATASETS = ("cub", "cub-paper", "aircraft", "cars", "sketchbirds", "folder")
READABLE = ("lineage-csv", "parent-child-csv", "newick", "node-link", "hiclass")  # here, so that --help imports nothing
WRITABLE = (*READABLE, "dot", "html")
POLICIES = ("error", "fill", "collapse")
HIERARCHY = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, path_type=Path)
OUTPUT = click.Path(dir_okay=False, path_type=Path)


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
@click.option("--root", type=FOLDER, help="Where the dataset lies: aircraft, cars or folder.")
@click.option("--csv", "table", type=HIERARCHY, help="Table with a column per level, rows in any order.")
@click.option(
    "--from",
    "imported",
    type=(click.Choice(READABLE), HIERARCHY),
    metavar="FORMAT FILE",
    help=f"File of another tool: {', '.join(READABLE)}.",
)
@click.option(
    "--levels", metavar="A,B,...", help="Names of the levels, coarsest first; columns for --csv, ranks for --names."
)
@click.option(
    "--ragged",
    type=click.Choice(POLICIES),
    default="error",
    show_default=True,
    help="What to do with uneven depth: refuse, fill gaps with taxa named after their neighbour, drop levels.",
)
@click.option("--name", help="What to call the hierarchy [the file's or folder's name].")
@click.option("--root-label", help="What every label is, such as bird [object].")
@click.option("--out", type=OUTPUT, help="File to write [hierarchies/NAME.json].")
@or_from_wikipedia
@click.pass_context
def build(ctx: click.Context, /, dataset: str | None, out: Path | None, **how: Any) -> None:
    """Build a hierarchy file: without a network, or from Wikipedia.

    From the package's reviewed tables (--dataset), from a dataset's own files (--dataset with --root), from a
    table (--csv), or from the file of another tool (--from). `cub` is the corrected bird tree (13/37/200);
    `cub-paper` the published one (13/38/200), slip included. `folder` takes nested folders of images.

    From Wikipedia, each class's page is asked, at most 200 requests a minute; every fact that two pages state is
    cross-checked, none is guessed, and NAME.evidence.csv tells who says what. Answers are cached: an interrupted
    build goes on where it stopped. docs/wikipedia.md tells the rules.

    \b
    Example:
      hiertax build --dataset cub --out cub.json
      hiertax build --dataset cub --source wikipedia --contact you@example.org --review diff.csv
      hiertax build --names birds.txt --levels order,family,species --contact you@example.org
      hiertax build --dataset aircraft --root fgvc-aircraft-2013b
      hiertax build --dataset folder --root pets --levels group,breed --root-label pet
      hiertax build --csv birds.csv --levels order,family,species --ragged fill
      hiertax build --from newick tree.nwk --levels family,genus,species
    """
    if sum(given is not None for given in (dataset, how["table"], how["imported"])) != 1:
        raise click.UsageError("give one of --dataset, --csv, --from and --names.", ctx)
    hierarchy = _build(ctx, dataset, **how)
    if out is None and Path(hierarchy.name).name != hierarchy.name:
        raise click.UsageError(f"{hierarchy.name!r} cannot name a file; give --out or --name.", ctx)
    out = out or Path("hierarchies") / f"{hierarchy.name}.json"
    hierarchy.save(out)
    if ragged := hierarchy.source.get("ragged"):
        done = (
            f"taxa added: {ragged['taxa']}" if "taxa" in ragged else f"levels dropped: {', '.join(ragged['dropped'])}"
        )
        click.echo(f"--ragged {ragged['policy']}: lineages with a gap: {ragged['lineages']}; {done}", err=True)
    sizes = ", ".join(f"{len(level)} {level.name}" for level in hierarchy.levels)
    click.echo(f"{out}: {hierarchy.root} > {sizes}")


def _build(
    ctx: click.Context,
    dataset: str | None,
    *,
    root: Path | None,
    table: Path | None,
    imported: tuple[str, Path] | None,
    levels: str | None,
    ragged: Ragged,
    name: str | None,
    root_label: str | None,
) -> Hierarchy:
    from taxonomy import formats
    from taxonomy.leveling import Reading
    from taxonomy.sources import aircraft, cars, curated, folder

    if (root is not None) != (dataset == "folder") and dataset not in ("aircraft", "cars"):
        raise click.UsageError("--root DIR goes with --dataset aircraft, cars or folder, and folder needs it.", ctx)
    if dataset is not None and dataset != "folder":
        for param in ("levels", "ragged", "name", "root_label"):
            if ctx.get_parameter_source(param) is click.core.ParameterSource.COMMANDLINE:
                raise click.UsageError(f"--{param.replace('_', '-')} is for --csv, --from and --dataset folder.", ctx)
        if root is None:
            return curated.build(dataset)
        build_from = aircraft.build if dataset == "aircraft" else cars.build
        return build_from(root, {"kind": "dataset", "command": invocation("hiertax", ctx)})
    source: dict[str, Any] = {"kind": "folder", "command": invocation("hiertax", ctx)}
    names = tuple(part.strip() for part in levels.split(",")) if levels else None
    reading = Reading(name, root_label, names, ragged, source)
    if root is not None:
        return folder.build(root, reading)
    kind, path = imported or ("lineage-csv", table or Path())
    source.update(kind="imported", format=kind)
    return formats.load(path, reading, kind)


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


@main.command()
@click.argument("file", type=HIERARCHY)
@click.option("--to", "kind", type=click.Choice(WRITABLE), required=True, help="The format to write.")
@click.option("--out", type=OUTPUT, help="File to write [standard output].")
def convert(file: Path, kind: str, out: Path | None) -> None:
    """Write a hierarchy in the format of another tool.

    FILE is a hierarchy file or, told by its suffix, any format that `hiertax build --from` reads. What a
    format cannot carry is said on standard error. `html` is a page to look at, with a search field.

    \b
    Example:
      hiertax convert hierarchies/cub_wiki.json --to newick --out cub.nwk
      hiertax convert hierarchies/cub_wiki.json --to html --out cub.html
    """
    from taxonomy import formats
    from taxonomy.files import write_atomic

    content = formats.encode(formats.load(file), kind)
    if lost := formats.FORMATS[kind].loses:
        click.echo(f"{kind} does not carry {lost}; give them again when you read it back", err=True)
    if out is not None:
        write_atomic(out, content)
        click.echo(out)
    elif kind == "hiclass" and sys.stdout.isatty():
        raise click.UsageError("hiclass arrays are no text; give --out FILE.npy or redirect.")
    else:
        click.echo(content, nl=False)


@main.command()
@click.argument("file", type=HIERARCHY)
@click.option("--out", type=OUTPUT, required=True, help="Picture to write: .svg or .png.")
def plot(file: Path, out: Path) -> None:
    """Draw a hierarchy as a radial tree, coloured by its top level.

    Readable up to a few hundred classes; the picture grows with the tree. Needs matplotlib:
    pip install "hiertax[plot]".

    \b
    Example:
      hiertax plot hierarchies/cub_wiki.json --out cub.svg
    """
    from taxonomy import formats, plots

    hierarchy = formats.load(file)
    plots.save(hierarchy, out)
    if missing := plots.unprintable(hierarchy):
        click.echo(f"the picture's font has no sign for {' '.join(missing)}; boxes stand in their place", err=True)
    click.echo(out)


@main.command()
@click.option("--dataset", type=click.Choice(("cub", "aircraft", "cars")), required=True, help="What to fetch.")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to put it in.")
def download(dataset: str, to: Path) -> None:
    """Fetch the official archive of a dataset, check and unpack it.

    A run that was cut short goes on where it stopped. Stanford Cars is no longer served by its publisher; the
    command says where people get it. The datasets are for non-commercial research; see their own terms.

    \b
    Example:
      hiertax download --dataset cub --to data
    """
    from taxonomy import download as downloading

    with downloading.progress_bar() as progress:
        click.echo(downloading.download(dataset, to, progress))
