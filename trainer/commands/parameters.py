"""What several commands share: kinds of arguments, and which options were given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource as Source

if TYPE_CHECKING:
    from trainer.runs.header import Header

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
IMAGE_OPTIONS = ("limit_per_class", "skip_bad_images", "device", "cache", "workers")  # at which images, and how
PLACES = ("hierarchy", "data", "weights")
JSON = click.option("--json", "as_json", is_flag=True, help="Print for a machine.")


class RunFolder(click.Path):
    """A folder with a run that can answer, or a file of one that was exported."""

    def __init__(self, *, or_file: bool = False) -> None:
        super().__init__(exists=True, file_okay=or_file, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Take a folder; say of an exported file what it is for."""
        if not self.file_okay and Path(value).suffix == ".onnx" and Path(value).is_file():
            self.fail(f"{value} is an exported file, which predict and serve take; name the run itself.", param, ctx)
        return super().convert(value, param, ctx)


RUN = RunFolder()
RUN_OR_ONNX = RunFolder(or_file=True)


def check_places(*, may_lack_data: bool = False) -> None:
    """Look at the runs, hierarchy, weights and data of the command that is running, before it imports torch.

    That takes seconds, and these may be wrong.

    Parameters
    ----------
    may_lack_data
        Whether the command does something without the data of its runs too, unless others are named.

    Raises
    ------
    HiertaxError
        If one of them is not there, or is none.
    """
    ctx = click.get_current_context()
    headers = [_header(run) for run in _runs(ctx) if run.suffix != ".onnx" or run.is_dir()]
    names = {param.name for param in ctx.command.params}
    given = {name: ctx.params[name] for name in PLACES if ctx.params.get(name) is not None}
    if not names & set(PLACES):
        return
    from taxonomy import Hierarchy
    from trainer.config import Config
    from trainer.data.labelled import check_place
    from trainer.training.checks import check_weights

    config = replace(headers[0].config, **given) if headers else Config(**given)
    own = headers[0].hierarchy if headers else None
    hierarchy = Hierarchy.load(given["hierarchy"]) if "hierarchy" in given else own
    if "weights" in given:
        check_weights(config)
    if "data" in names and (hierarchy or "data" in given) and not (may_lack_data and "data" not in given):
        check_place(config, hierarchy)


def _runs(ctx: click.Context) -> Iterator[Path]:
    for param in ctx.command.params:
        found = ctx.params.get(param.name or "")
        if isinstance(param.type, RunFolder) and found is not None:
            yield from found if isinstance(found, tuple) else (found,)


def _header(run: Path) -> Header:
    from trainer.runs.header import Header, answering_checkpoint

    return Header.read(answering_checkpoint(run))


def given(ctx: click.Context, names: Iterable[str]) -> set[str]:
    """Return which of the options were given on the command line."""
    return {name for name in names if ctx.get_parameter_source(name) is Source.COMMANDLINE}
