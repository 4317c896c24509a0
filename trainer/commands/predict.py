"""``hiertrain predict``: name what is in images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taxonomy import HiertaxError
from trainer.commands.answering import AnsweringCommand, answering_options, wished
from trainer.commands.flags import command_reporter
from trainer.commands.options import options
from trainer.commands.parameters import JSON, RUN_OR_ONNX, check_places
from trainer.inference.answering.wishes import Wishes
from trainer.runtime.processes import is_main_process, join_processes

if TYPE_CHECKING:
    from trainer.runtime.progress import Reporter

FORMATS = ("csv", "jsonl", "parquet", "xlsx", "darwin-core", "camera-trap")  # here, so that --help imports nothing


@click.command(cls=AnsweringCommand)
@click.argument("run", type=RUN_OR_ONNX)
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path),
    help="Table to write, a row per image: .csv, .jsonl, .parquet or .xlsx, or what --format says.",
)  # fmt: skip
@click.option(
    "--format", type=click.Choice(FORMATS),
    help="What to write [by the suffix of --out]; darwin-core is .csv, camera-trap .json as Timelapse reads it.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace a table, or answers of another run or other settings.")
@click.option("--top-k", type=int, help="Print the so many likeliest labels of every level too.")
@options("device")
@JSON
@answering_options
def predict(
    run: Path, images: tuple[Path, ...], device: str, as_json: bool, top_k: int | None, **settings: Any
) -> None:  # fmt: skip
    """Name what is in images, from the root down, with a probability at every level.

    With --out the answers become a table, in which images that cannot be read have a row with the reason. It may be
    stopped at any time: the same command goes on where it was. Ends with 1 where an image could not be read.

    \b
    Example:
      hiertrain predict runs/cub_wiki-ours-0 photo.jpg folder/ shard.tar
      hiertrain predict runs/cub_wiki-ours-0 photo.jpg --confidence 0.9 --within Passeriformes
      hiertrain predict runs/cub_wiki-ours-0 folder/ --out answers.csv --target-accuracy 0.95
      hiertrain predict runs/cub_wiki-ours-0 folder/ --out answers.json --format camera-trap
      hiertrain predict cub.onnx photo.jpg
      torchrun --standalone --nproc-per-node 4 -m trainer predict runs/cub_wiki-ours-0 folder/ --out answers.parquet
    """
    wishes, table = Wishes(**wished(settings)), settings
    _check_options(as_json, top_k, table)
    if table["out"] is None:
        _show(run, images, device, as_json, top_k, wishes)
    else:
        _write(run, images, device, table, wishes)


def _check_options(as_json: bool, top_k: int | None, table: dict[str, Any]) -> None:
    if table["out"] is None and (given := next((name for name in ("format", "overwrite") if table[name]), None)):
        raise click.UsageError(f"--{given} is for a table; give --out too.", click.get_current_context())
    if table["out"] is not None and as_json:
        raise click.UsageError("--json prints; leave it out with --out.", click.get_current_context())
    if top_k is not None and table["out"] is not None:
        raise click.UsageError("--top-k prints; leave it out with --out.", click.get_current_context())
    if top_k is not None and top_k < 1:
        raise HiertaxError(f"`top_k` {top_k}: give a whole number of 1 or more")


def _show(
    run: Path, images: tuple[Path, ...], device: str, as_json: bool, top_k: int | None, wishes: Wishes
) -> None:  # fmt: skip
    """Print the answers, and say of which images there are none."""
    from taxonomy.datasets import find_images

    check_places()
    with join_processes() as group:
        if group.size > 1:
            raise HiertaxError(f"{group.size} processes share the images of a table only; name it by `out`")
    found, reporter = find_images(images), command_reporter()
    _say(reporter, found.notes)
    from trainer.api.model import load  # once there are images: torch takes seconds to import

    model = load(run, device=device).wishing(wishes, reporter)
    answers = model.predict(found.paths, skip_bad=True, top_k=top_k, reporter=reporter)
    click.echo(json.dumps(answers.to_json(), indent=2, ensure_ascii=False) if as_json else str(answers))
    if answers.left_out:
        *before, last = answers.left_out
        _say(reporter, before)
        of = f"{len(answers.left_out):,} of {len(found.paths):,} images could not be read"
        raise HiertaxError(f"{of}: {last}" if not before else f"{of}, the last of them: {last}")


def _write(run: Path, images: tuple[Path, ...], device: str, table: dict[str, Any], wishes: Wishes) -> None:
    """Write the answers as a table; of several processes one speaks."""
    check_places()
    with join_processes() as group:
        from trainer.inference.tables.job import TableJob

        job = TableJob.of(images, **table)
        reporter = command_reporter() if group.is_main else command_reporter().renewed(silent=True)
        _say(reporter, job.notes)
        from trainer.api.model import load  # once there are images: torch takes seconds to import
        from trainer.inference.tables.write import write_table

        model = load(run, device=device, local_rank=group.local_rank).wishing(wishes, reporter)
        written = write_table(job, model, reporter, group)
    if is_main_process():
        click.echo(str(written))
    if written.unreadable and group.size == 1:  # torchrun would take it for a crash
        click.get_current_context().exit(1)


def _say(reporter: Reporter, lines: Any) -> None:
    for line in lines:
        reporter.say(line)
