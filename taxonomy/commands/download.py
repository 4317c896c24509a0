"""``hiertax download``: the official files of a dataset."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

DATASETS = (
    "cub",
    "aircraft",
    "cars",
    "flowers",
    "pets",
    "nabirds",
    "inat",
    "birdsnap",
)  # so that --help imports nothing


@click.command()
@click.option("--dataset", type=click.Choice(DATASETS), required=True, help="What to fetch.")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to put it in.")
def download(dataset: str, to: Path) -> None:
    """Fetch the official files of a dataset, check and unpack them.

    CUB-200-2011, FGVC-Aircraft, Oxford Flowers-102 and Oxford-IIIT Pets. A run that was cut short goes on where it
    stopped. Stanford Cars is no longer served by its publisher, NABirds wants its terms agreed to, iNaturalist comes in
    archives of hundreds of GB, and Birdsnap in lists of addresses; of these the command says where people get them.
    The datasets are for non-commercial research; see their own terms.

    \b
    Example:
      hiertax download --dataset cub --to data
      hiertax download --dataset pets --to data
      hiertax download --dataset nabirds --to data
    """
    from taxonomy.download import download as fetch
    from taxonomy.progress import bytes_bar

    with bytes_bar() as progress:
        folder = fetch(dataset, to, progress)
    click.echo(folder)
    click.echo(f"next: hiertax inspect {shlex.quote(str(folder))}", err=True)
