"""``hiertax download``: the official archive of a dataset."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--dataset", type=click.Choice(("cub", "aircraft", "cars")), required=True, help="What to fetch.")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to put it in.")
def download(dataset: str, to: Path) -> None:
    """Fetch the official archive of a dataset, check and unpack it.

    A run that was cut short goes on where it stopped. Stanford Cars is no longer served by its publisher; the
    command says where people get it. The datasets are for non-commercial research; see their own terms.

    \b
    Example:
      hiertax download --dataset cub --to data
    """
    from taxonomy import download as downloading

    with downloading.progress_bar() as progress:
        click.echo(downloading.download(dataset, to, progress))
