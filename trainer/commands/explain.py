"""``hiertrain explain``: where a run looked, at every level."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taxonomy import HiertaxError
from taxonomy.pictures import check_png
from trainer.commands.flags import command_reporter
from trainer.commands.options import option, options
from trainer.commands.parameters import JSON, RUN, check_places, given

if TYPE_CHECKING:
    from trainer.api.model import Model
    from trainer.explanation.explain import MapSettings
    from trainer.explanation.test_set import MapNumbers
    from trainer.runtime.progress import Reporter

FILE = click.Path(dir_okay=False, path_type=Path)
TEST_ONLY = ("data", "cache", "workers", "skip_bad_images", "limit_per_class", "target", "tsne")
MAPS = Path("maps.png")


@click.command()
@click.argument("run", type=RUN)
@click.argument("images", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--beside", multiple=True, type=RUN, help="Another run to show beside it; may be given several times.")
@click.option("--out", type=FILE, help=f"Figure to write, a PNG.  [default: {MAPS}]")
@click.option("--csv", type=FILE, help="Table to write: a row for each image and run.")
@click.option("--test-set", is_flag=True, help="Measure the maps of all test images instead.")
@click.option("--tsne", type=FILE, help="With --test-set: picture of the features in the plane; points beside, as CSV.")
@click.option(
    "--gamma", type=click.Choice(["as-trained", "off"]), default="as-trained", show_default=True,
    help="Whether a coarse head's map leaves out the finer features that it reads.",
)  # fmt: skip
@click.option(
    "--threshold", type=float, default=0.5, show_default=True, help="Looked at is from this share of the maximum on."
)
@click.option(
    "--target", type=click.Choice(["answer", "truth"]), default="answer", show_default=True,
    help="With --test-set: maps of what is answered, or of the true label.",
)  # fmt: skip
@option("data", default=None, envvar=None, show_envvar=False, help="The dataset's folder, if it has moved.")
@options("limit_per_class", "device", "cache", "workers", "skip_bad_images")
@JSON
@click.pass_context
def explain(
    ctx: click.Context, /, run: Path, images: tuple[Path, ...], beside: tuple[Path, ...], out: Path | None,
    csv: Path | None, test_set: bool, tsne: Path | None, gamma: Any, threshold: float, target: Any, as_json: bool,
    **settings: Any,
) -> None:  # fmt: skip
    """Show where a run looked, at every level, by Grad-CAM.

    Of images it makes a figure: a column for each level, a row for each image and run. Of the whole test set
    it gives numbers: how large the maps of each level are, and how far those of two levels overlap.

    \b
    Example:
      hiertrain explain runs/ours photo.jpg --out maps.png
      hiertrain explain runs/ours photo.jpg --beside runs/vanilla_single --gamma off
      hiertrain explain runs/ours --test-set --csv maps.csv --tsne plane.png
    """
    asked = given(ctx, TEST_ONLY)
    if bool(images) == test_set:
        raise click.UsageError("name images, or ask for the whole test set by --test-set.", ctx)
    if images and asked:
        raise click.UsageError(f"--{min(asked).replace('_', '-')} is for --test-set; leave it out.", ctx)
    if test_set and out is not None:
        raise click.UsageError("--out is of images; leave it out with --test-set.", ctx)
    if tsne is not None and beside:
        raise click.UsageError("--tsne shows one run; leave out --beside.", ctx)
    check_places()
    _check_files(out, csv, tsne)
    from taxonomy.datasets import find_images

    found, reporter = find_images(images), command_reporter()
    for note in found.notes:
        reporter.say(note)
    from trainer.api.model import load  # once there are images: torch takes seconds to import
    from trainer.explanation.explain import MapSettings

    maps = MapSettings(gamma, threshold)
    models = [load(each, device=settings["device"]) for each in dict.fromkeys((run, *beside))]
    if test_set:
        own = {
            name: settings[name] if name in asked else None for name in ("data", "limit_per_class", "skip_bad_images")
        }
        where = {"cache": settings["cache"], "workers": settings["workers"], **own}
        _measure(models, maps, target, csv, tsne, as_json, where, reporter)
    else:
        _show(models, found.paths, maps, out or MAPS, csv, as_json, reporter)


def _check_files(out: Path | None, csv: Path | None, tsne: Path | None) -> None:
    """Refuse before anything is computed what could not be written, or would be written over."""
    for file in (out, csv, tsne):
        if file is not None and not file.parent.is_dir():
            raise HiertaxError(f"{file}: there is no folder {file.parent}; make it, or choose another place")
    for picture in (out, tsne):
        if picture is not None:
            check_png(picture)
    if csv is not None and tsne is not None and csv.resolve() == _points(tsne).resolve():
        raise HiertaxError(f"--csv {csv}: the points of --tsne go there; choose another name for one of them")


def _points(tsne: Path) -> Path:
    """Return where the points of a plane are written."""
    return tsne.with_suffix(".csv")


def _show(
    models: Sequence[Model], images: Sequence[Path], maps: MapSettings, out: Path, csv: Path | None, as_json: bool,
    reporter: Reporter,
) -> None:  # fmt: skip
    """Write the figure of images, and print what their maps measure."""
    from taxonomy.datasets.notes import counted
    from trainer.explanation.explain import explanations, to_frame
    from trainer.explanation.figure import check_rows, save_figure
    from trainer.runtime.progress import print_table

    check_rows(len(images) * len(models))
    by_run = [list(explanations(model, list(images), maps, reporter=reporter)) for model in models]
    rows = [row for of_image in zip(*by_run, strict=True) for row in of_image]
    save_figure(rows, out)
    if csv is not None:
        _write_csv(to_frame([row.to_row() for row in rows]), csv)
    if as_json:
        click.echo(json.dumps([row.to_row() for row in rows], indent=2, ensure_ascii=False))
    else:
        from trainer.explanation.text import images_table

        print_table(images_table(rows))
        click.echo(f"{out}: {counted(len(images), 'image')}, {counted(len(models), 'run')}, gamma {maps.gamma}")


def _measure(
    models: Sequence[Model], maps: MapSettings, target: Any, csv: Path | None, tsne: Path | None, as_json: bool,
    where: dict[str, Any], reporter: Reporter,
) -> None:  # fmt: skip
    """Print what the maps of all test images measure, and write them as a table."""
    import pandas as pd

    from trainer.explanation.test_set import explain_test_set
    from trainer.explanation.text import features_table, heading, levels_table, pairs_table
    from trainer.runtime.progress import print_table

    numbers: list[MapNumbers] = [
        explain_test_set(model, maps, target=target, **where, reporter=reporter) for model in models
    ]
    if csv is not None:
        _write_csv(pd.concat([each.to_frame() for each in numbers], ignore_index=True), csv)
        reporter.say(f"{csv}: written")
    plane = _plane(models[0], tsne, where, reporter) if tsne is not None else None
    if as_json:
        planes = {} if plane is None else {"features": plane.by_level().to_dict("records")}
        click.echo(json.dumps([each.to_json() | planes for each in numbers], indent=2, ensure_ascii=False))
        return
    for each in numbers:
        click.echo(heading(each))
    print_table(levels_table(numbers))
    print_table(pairs_table(numbers))
    if plane is not None:
        print_table(features_table(plane))


def _plane(model: Model, out: Path, where: dict[str, Any], reporter: Reporter) -> Any:
    from trainer.explanation.features import feature_plane, save_plane

    plane = feature_plane(model, **where, reporter=reporter)
    points = _points(out)
    _write_csv(plane.to_frame(), points)
    save_plane(plane, out)
    reporter.say(f"{out}: written, its points as {points.name}")
    return plane


def _write_csv(table: Any, out: Path) -> None:
    from taxonomy.files import write_atomic

    write_atomic(out, table.to_csv(index=False, lineterminator="\n").encode())
