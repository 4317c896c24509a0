"""``hiertax show``: a hierarchy as text."""

from __future__ import annotations

import json
from pathlib import Path

import click

from taxonomy.commands.parameters import HIERARCHY
from taxonomy.commands.reading_options import load


@click.command()
@click.argument("file", type=HIERARCHY)
@click.option("--json", "as_json", is_flag=True, help="Print levels and sizes for a machine.")
def show(file: Path, as_json: bool) -> None:
    """Print a hierarchy as an outline.

    Its levels and their sizes, the tree, and what is known to be wrong with its dataset. FILE is a hierarchy
    file or, told by its suffix, any format that `hiertax build --from` reads.

    \b
    Example:
      hiertax show hierarchies/cub_wiki.json
    """
    from taxonomy.errata import in_words, known_of
    from taxonomy.outline import describe, outline

    hierarchy = load(file)
    errata = known_of(hierarchy)
    if as_json:
        about = describe(hierarchy) | {"errata": [erratum._asdict() for erratum in errata]}
        click.echo(json.dumps(about, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join([outline(hierarchy), *in_words(errata)]))
