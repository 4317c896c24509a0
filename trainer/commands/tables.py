"""What commands that score share: the rule of decoding, and folders for the tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from pandas import DataFrame

    from trainer.runtime.progress import Reporter

RULES: Final = (
    "independent",
    "leaf",
    "greedy",
    "path",
    "chain",
    "beam",
)  # of trainer.inference.decoding, without torch
FOLDER: Final = click.Path(file_okay=False, path_type=Path)
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def DECODE(*, several: bool) -> Decorator:  # noqa: N802 - stands beside options that are constants
    """Return the option of the rule by which labels are taken from logits, or of all of them."""
    if several:
        about = "How to take labels from what the heads say; `all` shows all ways.  [default: independent and path]"
        return click.option("--decode", type=click.Choice([*RULES, "all"]), help=about)
    about = "How to take labels from what the heads say."
    return click.option("--decode", type=click.Choice(RULES), default="path", show_default=True, help=about)


def TABLE_FOLDERS(command: Callable[..., Any]) -> Callable[..., Any]:  # noqa: N802 - as above
    """Give a command the options for folders to write tables to."""
    command = click.option("--parquet", type=FOLDER, help="A folder to write all tables to as Parquet.")(command)
    return click.option("--csv", type=FOLDER, help="A folder to write all tables to as CSV.")(command)


def check_folders(csv: Path | None, parquet: Path | None) -> None:
    """Refuse folders that nothing can be written to."""
    from trainer.evaluation.files import check_folder

    if csv:
        check_folder(csv, "csv")
    if parquet:
        check_folder(parquet, "parquet")


def write_folders(tables: Mapping[str, DataFrame], csv: Path | None, parquet: Path | None, reporter: Reporter) -> None:
    """Write tables to the folders that were asked for, and say so."""
    from trainer.evaluation.files import write_tables

    written = [*(write_tables(tables, csv, "csv") if csv else ())]
    written += write_tables(tables, parquet, "parquet") if parquet else ()
    for file in written:
        reporter.say(f"{file}: written")
