"""``hiertax compare``: two hierarchies side by side."""

from __future__ import annotations

import json
from pathlib import Path

import click

from taxonomy.commands.parameters import HIERARCHY
from taxonomy.commands.reading_options import load


@click.command()
@click.argument("a", type=HIERARCHY)
@click.argument("b", type=HIERARCHY)
@click.option("--json", "as_json", is_flag=True, help="Print the differences for a machine.")
def compare(a: Path, b: Path, as_json: bool) -> None:
    """Say how hierarchy B differs from hierarchy A.

    Classes that moved, taxa that were renamed, split, merged, that went or came, and the agreement of each level:
    ARI and AMI tell how well two levels group the shared classes alike: 1 the same, about 0 by chance.

    \b
    Example:
      hiertax compare hierarchies/cub_paper.json hierarchies/cub_wiki.json
    """
    from taxonomy.compare import compare as compared
    from taxonomy.compare import summary

    comparison = compared(load(a), load(b))
    click.echo(json.dumps(comparison.to_json(), indent=2, ensure_ascii=False) if as_json else summary(comparison))
