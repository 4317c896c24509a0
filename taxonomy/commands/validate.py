"""``hiertax validate``: what is wrong with hierarchies."""

from __future__ import annotations

import json
from pathlib import Path

import click

from taxonomy.commands.reading_options import as_flags


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--root",
    type=click.Path(exists=True, path_type=Path),
    help="Folder of the dataset, or a table of its images; its classes must match.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 on warnings too.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings for a machine.")
@click.pass_context
def validate(context: click.Context, files: tuple[Path, ...], root: Path | None, strict: bool, as_json: bool) -> None:
    """Say everything that is wrong with hierarchies.

    The exit code is 1 if one has an error.

    Reads hierarchy files, lineage tables (CSV: a header of level names, one row per class) and parent-child
    tables (CSV: child,parent[,level]), however broken, and what `hiertax build --from` reads.
    docs/validation.md lists the rules.

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
        click.echo(as_flags("\n\n".join(report.to_text() for report in reports)))
    context.exit(0 if sound else 1)
