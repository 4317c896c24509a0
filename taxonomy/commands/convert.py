"""``hiertax convert`` and ``hiertax plot``: a hierarchy in another shape."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from taxonomy.commands.parameters import HIERARCHY, OUTPUT, READABLE
from taxonomy.commands.reading_options import load

WRITABLE = (*READABLE, "dot", "html")


@click.command()
@click.argument("file", type=HIERARCHY)
@click.option("--to", "kind", type=click.Choice(WRITABLE), required=True, help="The format to write.")
@click.option("--out", type=OUTPUT, help="File to write [standard output].")
def convert(file: Path, kind: str, out: Path | None) -> None:
    """Write a hierarchy in the format of another tool.

    FILE is a hierarchy file or, told by its suffix and content, any format that `hiertax build --from` reads. What
    a format cannot carry is said on standard error; docs/formats.md has the table. `html` is a page to look at, with
    a search field.

    \b
    Example:
      hiertax convert hierarchies/cub_wiki.json --to newick --out cub.nwk
      hiertax convert hierarchies/cub_wiki.json --to html --out cub.html
      hiertax convert hierarchies/cub_wiki.json --to xlsx --out cub.xlsx
    """
    from taxonomy import formats
    from taxonomy.files import write_atomic

    content = formats.encode(load(file), kind)
    if lost := formats.FORMATS[kind].loses:
        click.echo(f"{kind} does not carry {lost}; give them again when you read it back", err=True)
    if out is not None:
        write_atomic(out, content)
        click.echo(out)
    elif kind in ("hiclass", "parquet", "xlsx") and sys.stdout.isatty():
        raise click.UsageError(f"{kind} is no text; give --out FILE or redirect.")
    else:
        click.echo(content, nl=False)


@click.command()
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
    from taxonomy import plots

    hierarchy = load(file)
    plots.save(hierarchy, out)
    if missing := plots.unprintable(hierarchy):
        click.echo(f"the picture's font has no sign for {' '.join(missing)}; boxes stand in their place", err=True)
    click.echo(out)
