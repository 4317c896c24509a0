"""``hiertax build --names --source ncbi|dwca|clements``: what the options mean, and the files that are written."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from taxonomy.leveling import ImportOptions
from taxonomy.ragged import Ragged
from taxonomy.sources.offline.build import Request, build
from taxonomy.sources.outcome import finish
from taxonomy.sources.subjects import read_names

CURE: Final = "the columns class,scientific_name give the name that the archive has"


def run(
    names: Path,
    kind: str,
    archive: Path,
    levels: tuple[str, ...],
    *,
    within: str | None = None,
    ragged: Ragged = "error",
    name: str | None = None,
    root_label: str | None = None,
    command: str = "",
    out: Path | None = None,
    review: Path | None = None,
    qualify: bool = False,
) -> None:
    """Build a hierarchy of a list of names from an archive, and write it with its evidence beside it.

    Parameters
    ----------
    names
        The list, see `read_names`.
    kind
        A key of `READERS`.
    command
        The command line that rebuilds the file.
    qualify
        Whether to tell homonyms apart by their parents.

    Raises
    ------
    HiertaxError
        If a file cannot be read, or a class has no undoubted place; then no hierarchy is written.
    """
    reading = ImportOptions(name, root_label, levels, ragged, {"command": command}, names.stem, qualify=qualify)
    request = Request(read_names(names, levels), levels, kind, archive, within, reading, names.name)
    outcome = build(request)
    for note in reading.notes:
        click.echo(note, err=True)
    if outcome.hierarchy and (done := outcome.hierarchy.source.get("ragged")):
        what = f"taxa added: {done['taxa']}" if "taxa" in done else f"levels dropped: {', '.join(done['dropped'])}"
        click.echo(f"--ragged {done['policy']}: lineages with a gap: {done['lineages']}; {what}", err=True)
    finish(outcome, out, review, CURE)
