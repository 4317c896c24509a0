"""``hiertrain evaluate``: score a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from taxonomy import HiertaxError
from trainer.commands.flags import command_reporter
from trainer.commands.options import option, options
from trainer.commands.parameters import JSON, RUN, check_places, given
from trainer.commands.tables import DECODE, TABLE_FOLDERS, check_folders, write_folders

if TYPE_CHECKING:
    from trainer.inference.decoding import Rule


@click.command()
@click.argument("run", type=RUN)
@DECODE(several=True)
@click.option("--taxa", metavar="LEVEL", help="Show how well each taxon of a level is told.")
@click.option("--confusions", metavar="LEVEL", help="Show which taxa of a level are taken for which others.")
@option("data", default=None, envvar=None, show_envvar=False, help="The dataset's folder, if it has moved.")
@options("device", "cache", "workers", "skip_bad_images")
@TABLE_FOLDERS
@JSON
@click.pass_context
def evaluate(
    ctx: click.Context, /, run: Path, decode: str | None, taxa: str | None, confusions: str | None,
    csv: Path | None, parquet: Path | None, as_json: bool, **settings: Any,
) -> None:  # fmt: skip
    """Score a run on the whole test set, with intervals.

    Accuracy per level beside what always guessing the commonest label would give, their average, the share right at
    every level, the share whose labels contradict each other, and how far off answers are in the tree.

    \b
    Example:
      hiertrain evaluate runs/cub_wiki-ours-0
      hiertrain evaluate runs/cub_wiki-ours-0 --decode all --confusions family --csv scores/
    """
    check_places()
    check_folders(csv, parquet)
    _check_levels(run, taxa, confusions)
    from trainer.api.model import load
    from trainer.evaluation.text import confusions_of_level, heading, legend, score_table, taxa_of_level
    from trainer.inference.decoding import DEFAULT
    from trainer.runtime.progress import print_table

    rules = _rules(decode)
    model, reporter = load(run, device=settings.pop("device")), command_reporter()
    asked = given(ctx, settings)
    own = {name: settings[name] if name in asked else None for name in ("data", "skip_bad_images")}
    scores = model.evaluate(**{**settings, **own}, rules=rules, reporter=reporter)
    if csv or parquet:
        write_folders(scores.tables(), csv, parquet, reporter)
    if as_json:
        click.echo(json.dumps(scores.to_json(), indent=2))
        return
    click.echo(heading(scores))
    print_table(score_table(scores))
    click.echo(legend(rules, scores.resamples))
    rule = DEFAULT if DEFAULT in rules else rules[0]
    if taxa:
        click.echo(f"\nby {rule}:")
        print_table(taxa_of_level(scores.taxa(rule), taxa))
    if confusions:
        click.echo(f"\nby {rule}:")
        print_table(confusions_of_level(scores.confusions(rule), confusions))


def _rules(decode: str | None) -> tuple[Rule, ...]:
    from trainer.evaluation.scores import SCORED
    from trainer.inference.decoding import RULES

    return SCORED if decode is None else tuple(RULES) if decode == "all" else (cast("Rule", decode),)


def _check_levels(run: Path, *asked: str | None) -> None:
    from trainer.runs.header import Header, answering_checkpoint

    levels = [level.name for level in Header.read(answering_checkpoint(run)).hierarchy.levels]
    for name in asked:
        if name is not None and name not in levels:
            raise HiertaxError(f"{run}: has no level {name!r}; its levels are {', '.join(map(repr, levels))}")
