"""``hiertrain compare``: how runs differ on the same images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from trainer.commands.flags import command_reporter
from trainer.commands.options import option, options
from trainer.commands.parameters import JSON, RUN, check_places, given
from trainer.commands.tables import DECODE, TABLE_FOLDERS, check_folders, write_folders

if TYPE_CHECKING:
    from trainer.inference.decoding import Rule


@click.command()
@click.argument("runs", nargs=-1, required=True, type=RUN)
@DECODE(several=False)
@option("data", default=None, envvar=None, show_envvar=False, help="The dataset's folder, if it has moved.")
@options("device", "cache", "workers", "skip_bad_images")
@TABLE_FOLDERS
@JSON
@click.pass_context
def compare(
    ctx: click.Context, /, runs: tuple[Path, ...], decode: str, csv: Path | None, parquet: Path | None, as_json: bool,
    **settings: Any,
) -> None:  # fmt: skip
    """Score runs on the same test images, and say by how much each differs from the first.

    The intervals of differences are paired: both runs are scored on the same resamples. A star marks those that leave
    out zero.

    \b
    Example:
      hiertrain compare runs/vanilla runs/ours
    """
    if len({run.resolve() for run in runs}) < 2:
        raise click.UsageError("Name two different runs or more.")
    check_places()
    check_folders(csv, parquet)
    from trainer.api.model import load
    from trainer.evaluation.comparison import compare_scores, comparison_table
    from trainer.evaluation.scoring import label_runs
    from trainer.evaluation.text import heading, legend
    from trainer.runtime.progress import print_table

    device, reporter, rule = settings.pop("device"), command_reporter(), cast("Rule", decode)
    own = {name: settings[name] if name in given(ctx, settings) else None for name in ("data", "skip_bad_images")}
    models = {called: load(run, device=device) for called, run in label_runs(runs).items()}
    scores = {
        called: model.evaluate(**{**settings, **own}, rules=(rule,), reporter=reporter)
        for called, model in models.items()
    }
    comparison = compare_scores(scores, rule)
    if csv or parquet:
        write_folders({"comparison": comparison.to_frame()}, csv, parquet, reporter)
    if as_json:
        click.echo(json.dumps(comparison.to_json(), indent=2))
        return
    for each in scores.values():
        click.echo(heading(each))
    print_table(comparison_table(comparison))
    click.echo(f"{legend([rule], scores[comparison.first].resamples)}\n* the interval leaves out zero")
