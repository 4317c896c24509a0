"""``hiertrain evaluate``: score a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from trainer.commands.flags import command_reporter
from trainer.commands.options import option, options
from trainer.commands.parameters import JSON, RUN, check_places, given


@click.command()
@click.argument("run", type=RUN)
@option("data", default=None, envvar=None, show_envvar=False, help="The dataset's folder, if it has moved.")
@options("device", "cache", "workers", "skip_bad_images")
@JSON
@click.pass_context
def evaluate(ctx: click.Context, /, run: Path, as_json: bool, **settings: Any) -> None:
    """Score a run on the whole test set.

    Accuracy per level beside what always guessing the commonest label would give, their average, the share
    right at every level, the share whose labels contradict each other, and how far wrong answers are off.

    \b
    Example:
      hiertrain evaluate runs/cub_wiki-ours-0
    """
    check_places()
    from trainer.api.model import load
    from trainer.evaluation.scoring import heading, score_table
    from trainer.runtime.progress import print_table

    model = load(run, device=settings.pop("device"))
    asked = given(ctx, settings)
    own = {name: settings[name] if name in asked else None for name in ("data", "skip_bad_images")}
    scores = model.evaluate(**{**settings, **own}, reporter=command_reporter())
    if as_json:
        click.echo(json.dumps(scores.to_json(), indent=2))
    else:
        click.echo(heading(scores))
        print_table(score_table(scores))
