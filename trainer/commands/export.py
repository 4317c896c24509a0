"""``hiertrain export``: take a run elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taxonomy import HiertaxError
from trainer.commands.answering import AnsweringCommand, answering_options, wished
from trainer.commands.flags import command_reporter
from trainer.commands.options import option
from trainer.commands.parameters import RUN, check_places
from trainer.inference.answering.wishes import Wishes

if TYPE_CHECKING:
    from trainer.evaluation.scores import Scores


@click.command(cls=AnsweringCommand)
@click.argument("run", type=RUN)
@click.option("--to", type=click.Choice(["onnx", "pt2", "safetensors", "folder"]), default="onnx", show_default=True,
              help="What to write; a folder is one for a hub of models, with a model card.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="Where [the run's name, here].")
@click.option("--precision", type=click.Choice(["fp32", "fp16", "bf16", "int8"]), default="fp32", show_default=True,
              help="What an ONNX file stores weights in; it computes in fp32.")  # fmt: skip
@option("data", default=None, envvar=None, show_envvar=False,
        help="The dataset's folder: tell the accuracy on its test images, of run and ONNX file.")  # fmt: skip
@answering_options
def export(run: Path, to: str, out: Path | None, precision: str, data: str | None, **settings: Any) -> None:
    """Write a run as one file with all that its answers need: classes, hierarchy, normalisation, calibration.

    How to answer is written too: an ONNX file made with --target-accuracy answers so wherever it goes.

    \b
    Example:
      hiertrain export runs/cub_wiki-ours-0 --out cub.onnx
      hiertrain export runs/cub_wiki-ours-0 --out cub_int8.onnx --precision int8 --data CUB_200_2011
      hiertrain export runs/cub_wiki-ours-0 --out sure.onnx --target-accuracy 0.95
      hiertrain export runs/cub_wiki-ours-0 --to folder --out cub-model --data CUB_200_2011
      hiertrain predict cub.onnx photo.jpg
    """
    wishes, name = Wishes(**wished(settings)), run.absolute().name
    target = out or Path(name + "-export" if to == "folder" else f"{name}.{to}")
    if to == "folder" and precision != "fp32":
        raise HiertaxError(f"`precision` {precision}: is for a file of onnx; leave it out")
    check_places()
    from trainer.api.model import load
    from trainer.export.folder import check_folder, export_folder
    from trainer.export.write import check_export

    check_folder(target) if to == "folder" else check_export(target, to, precision)
    reporter = command_reporter()
    model = load(run, device="cpu").wishing(wishes, reporter)
    scores = None if data is None else model.evaluate(data, reporter=reporter)
    if to == "folder":
        export_folder(model, target, scores=scores)
        click.echo(f"{target}: written")
        return
    model.export(target, to=to, precision=precision)
    click.echo(f"{target}: {target.stat().st_size / 1e6:.1f} MB, {precision}")
    if scores is not None and to == "onnx":
        _tell_loss(scores, load(target).evaluate(data, reporter=reporter))


def _tell_loss(run: Scores, file: Scores) -> None:
    """Print what a file gets right beside its run, and how many of its answers are others."""
    changed = (run.predictions["path"].labels != file.predictions["path"].labels).sum(axis=0)
    for before, after, others in zip(run.path.levels, file.path.levels, changed.tolist(), strict=True):
        here, there = 100 * after.accuracy, 100 * before.accuracy
        click.echo(
            f"  {after.level}: {here:.2f} % right, the run {there:.2f} % ({here - there:+.2f}); "
            f"{others:,} of {file.n:,} answers changed"
        )
