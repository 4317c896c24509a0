"""``hiertrain reproduce table1|fig2|curves``: what was published, and what is there already beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from trainer.commands.flags import command_reporter
from trainer.commands.parameters import FILE, JSON, RUN, check_places
from trainer.commands.typed import typed


def _of_people(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a table of the human study."""
    decorators = (
        click.option("--responses", type=FILE, help="Responses of a study of your own, to be shown beside."),
        click.option("--hierarchy", type=FILE, help="With --responses: the hierarchy that they are of."),
        click.option("--plan", type=FILE, help="With --responses: the plan of the study."),
        click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write to."),
        JSON,
        click.pass_context,
    )
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def _show_people(
    ctx: click.Context, name: str, responses: Path | None, hierarchy: Path | None, plan: Path | None, out: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    if responses is not None and hierarchy is None:
        raise click.UsageError("name the --hierarchy that the --responses are of.", ctx)
    if responses is None and (hierarchy or plan):
        raise click.UsageError("--hierarchy and --plan are for --responses; give these too.", ctx)
    from trainer.reproduce import human
    from trainer.reproduce.tables import to_rich
    from trainer.reproduce.writing import write_tables
    from trainer.runtime.progress import print_table

    analysis = None if responses is None or hierarchy is None else human.analysed(responses, hierarchy, plan)
    tables, command = human.tables(name, analysis), typed(ctx)
    told = human.as_json(name, tables, analysis, command)
    if as_json:
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        for table in tables.values():
            print_table(to_rich(table))
        for note in human.NOTES:
            click.echo(f"* {note}")
    if out is not None:
        files = write_tables(out, name, human.TITLES[name], tables, human.figures(analysis), human.NOTES, told)
        command_reporter().say(f"written: {', '.join(map(str, files))}")


@click.command("table1")
@_of_people
def table1(ctx: click.Context, /, **asked: Any) -> None:
    """Show which label people choose (Table 1), as published, and of a study of your own beside.

    \b
    Example:
      hiertrain reproduce table1
      hiertrain reproduce table1 --responses responses.jsonl --hierarchy hierarchies/cub_wiki.json --out table1
    """
    _show_people(ctx, "table1", **asked)


@click.command("fig2")
@_of_people
def fig2(ctx: click.Context, /, **asked: Any) -> None:
    """Show who wants more than one label (Fig. 2), as published, and of a study of your own beside.

    \b
    Example:
      hiertrain reproduce fig2
      hiertrain reproduce fig2 --responses responses.jsonl --hierarchy hierarchies/cub_wiki.json --out fig2
    """
    _show_people(ctx, "fig2", **asked)


@click.command("curves")
@click.argument("run", type=RUN)
@click.option(
    "--published",
    "dataset",
    required=True,
    type=click.Choice(["cub", "aircraft", "cars"]),
    help="Which of the authors' runs to draw it over.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("curves"),
    show_default=True,
    help="Folder to write to.",
)
@JSON
@click.pass_context
def curves(ctx: click.Context, /, run: Path, dataset: str, out: Path, as_json: bool) -> None:
    """Draw a run's learning curve over that of the authors' own run.

    The authors published a log of one run for each dataset with their code.

    \b
    Example:
      hiertrain reproduce curves runs/cub_wiki-ours-0 --published cub
    """
    check_places()
    from trainer.reproduce.curves import curves_figure, curves_notes, curves_table, paired
    from trainer.reproduce.tables import to_rich
    from trainer.reproduce.writing import write_tables
    from trainer.runtime.progress import print_table

    found, notes = paired(run, dataset), curves_notes(run, dataset)
    table = curves_table(run, dataset, found, notes)
    told = {
        "experiment": "curves", "run": run.name, "published": dataset, "command": typed(ctx),
        "levels": {name: {"ours": ours, "authors": theirs} for name, ours, theirs in found}, "notes": list(notes),
    }  # fmt: skip
    picture = {"curves": curves_figure(run, dataset, found)}
    files = write_tables(out, "curves", "A run over the authors' own", {"curves": table}, picture, (), told)
    if as_json:
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        print_table(to_rich(table))
    command_reporter().say(f"written: {', '.join(map(str, files))}")
