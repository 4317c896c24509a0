"""``hiertax study prepare``, ``links``, ``serve`` and ``export``: the web study and what comes out of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from taxonomy.commands.parameters import HIERARCHY, OUTPUT
from taxonomy.commands.reading_options import load
from taxonomy.console import visible
from taxonomy.errors import HiertaxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taxonomy.hierarchy import Hierarchy
    from taxonomy.study.server.folder import Opened

IMAGES = click.Path(exists=True, path_type=Path)
STUDY = click.argument("folder", metavar="STUDY", type=click.Path(exists=True, file_okay=False, path_type=Path))
URL = click.option(
    "--url", default="http://127.0.0.1:8080", show_default=True, help="Where participants find the study."
)
MOST_AT_ONCE = 500


@click.command()
@click.argument("plan_file", metavar="PLAN", type=HIERARCHY)
@click.option("--hierarchy", type=HIERARCHY, required=True, help="The hierarchy of the plan.")
@click.option("--images", type=IMAGES, metavar="DIR", required=True, help="The dataset of the plan.")
@click.option("--contact", required=True, help="Whom participants may ask: a line that they read.")
@click.option("--texts", default="en", show_default=True, metavar="en|zh|FILE", help="What participants read.")
@click.option("--test", type=HIERARCHY, help="TOML file of a familiarity test [made from the hierarchy].")
@click.option("--groups", metavar="A,B,C,D", help="Scores of the test at which groups 2 to 5 begin [equal widths].")
@click.option("--trial", is_flag=True, help="To try it out: pages say so, and all answers are marked as synthetic.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to make.")
def prepare(
    plan_file: Path, hierarchy: Path, images: Path, contact: str, texts: str, test: Path | None, groups: str | None,
    trial: bool, out: Path,
) -> None:  # fmt: skip
    """Make the folder of a web study from a plan: what is asked, sealed, and an empty database.

    Those to whom the plan gives no group take a familiarity test first, from which their group follows.

    \b
    Example:
      hiertax study prepare plan.json --hierarchy cub.json --images CUB_200_2011 --contact study@example.org --out birds
    """
    from taxonomy.study.server.folder import Wanted
    from taxonomy.study.server.folder import prepare as prepared

    wanted, given = Wanted(contact, texts, test, _edges(groups), trial), load(hierarchy)
    with flags_in_errors():
        questions = prepared(plan_file, given, _root(images, given), wanted, out)
    asked = f"a test of {len(questions)} questions" if questions else "no test: the plan has a group for everybody"
    click.echo(f"{out}: {'TRIAL, ' if trial else ''}{asked}")
    click.echo(f"{out / 'key'} seals the answers: keep a copy elsewhere")


@click.command()
@STUDY
@URL
@click.option("--participant", "participants", multiple=True, help="Whose link to make anew; the old one ends.")
@click.option("--out", type=OUTPUT, required=True, help="CSV to write: participant_id, link.")
def links(folder: Path, url: str, participants: tuple[str, ...], out: Path) -> None:
    """Make a link for each participant; what is kept of them is a hash, so this file is the only copy.

    \b
    Example:
      hiertax study links birds --url https://study.example.org --out links.csv
      hiertax study links birds --url https://study.example.org --participant p07 --out new.csv
    """
    from taxonomy.datasets.notes import counted
    from taxonomy.study.server.links import make_links

    with flags_in_errors(), _opened(folder) as study:
        made = make_links(study, url, out, participants)
    click.echo(f"{out}: {counted(len(made), 'link')}; give each to its participant alone, then delete the file")


@click.command()
@STUDY
@URL
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of this machine to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any that is free.")
@click.option("--images", type=IMAGES, metavar="DIR", help="The dataset, where it was moved.")
def serve(folder: Path, url: str, host: str, port: int, images: Path | None) -> None:
    """Ask people, until Ctrl-C: pages at a port of this machine, for a browser on it or behind a proxy.

    Looks at every seal and every image first. Each answer is on the disk before the next page shows.

    \b
    Example:
      hiertax study serve birds
      hiertax study serve birds --url https://study.example.org
    """
    try:
        from taxonomy.study.server.app import make_app
        from taxonomy.web.server import address, listen
        from taxonomy.web.server import serve as serve_app
    except ImportError:
        raise HiertaxError("pages need Starlette and uvicorn; pip install 'hiertax[study]'") from None
    from taxonomy.study.plan import check_images
    from taxonomy.study.server.links import check_url

    with flags_in_errors():
        public = check_url(url)
    with flags_in_errors(), listen(host, port) as opened, _opened(folder, images) as study:
        check_images(study.plan, study.images)
        study.store.erase()  # what a withdrawal may have left behind when the server was killed
        app = make_app(study, public, lambda line: click.echo(visible(f"error: {line}"), err=True))
        if public.startswith("http://") and not _is_loopback(host):
            click.echo("note: without HTTPS answers and links can be read on the way; see docs/study.md", err=True)
        click.echo(f"{study.plan.study_id}: {address(opened)} (Ctrl-C ends it)")
        serve_app(app, opened, MOST_AT_ONCE)


@click.command()
@STUDY
@click.option("--out", type=OUTPUT, required=True, help="Responses to write, .csv or .jsonl; their seal comes beside.")
def export(folder: Path, out: Path) -> None:
    """Write what was answered as responses for `hiertax study analyse`, after a look at every seal.

    May be done while people answer. Links and the key are not in it.

    \b
    Example:
      hiertax study export birds --out responses.csv
    """
    from taxonomy.datasets.notes import counted
    from taxonomy.study.responses import write_responses
    from taxonomy.study.server.export import export_responses

    with flags_in_errors(), _opened(folder) as study:
        rows, notes = export_responses(study)
        notes += write_responses(out, rows, study.plan)
    for note in notes:
        click.echo(visible(f"note: {note}"), err=True)
    people = len({row.participant_id for row in rows})
    click.echo(f"{out}: {counted(len(rows), 'response')} by {counted(people, 'participant')}")


@contextmanager
def flags_in_errors() -> Iterator[None]:
    """Let errors that speak of settings speak of flags."""
    try:
        yield
    except HiertaxError as error:
        raise type(error)(re.sub(r"`([a-z_]+)`", lambda m: f"--{m[1].replace('_', '-')}", str(error))) from None


@contextmanager
def _opened(folder: Path, images: Path | None = None) -> Iterator[Opened]:
    from taxonomy.hierarchy import Hierarchy
    from taxonomy.study.server.folder import HIERARCHY as SEALED
    from taxonomy.study.server.folder import open_study

    root = None if images is None else _root(images, Hierarchy.load(folder / SEALED))
    study = open_study(folder, root)
    try:
        yield study
    finally:
        study.store.close()


def _root(images: Path, hierarchy: Hierarchy) -> Path:
    """Return the folder from which a plan counts its paths, as `hiertax study plan` found it."""
    from taxonomy.datasets import find_dataset

    return find_dataset(images, levels=[level.name for level in hierarchy.levels]).root


def _edges(groups: str | None) -> Sequence[float] | None:
    if groups is None:
        return None
    try:
        return [float(edge) for edge in groups.split(",")]
    except ValueError:
        raise click.UsageError(f"--groups {groups}: give four scores, as 3,5,7,9.") from None


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
