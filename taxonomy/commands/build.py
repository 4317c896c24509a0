"""``hiertax build``: a hierarchy file from one of seven sources.

`_origin` tells from the options which source is meant, `TAKES` which other options have a meaning there,
and one function per source does the work.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from taxonomy.commands.parameters import HIERARCHY, OUTPUT, READABLE
from taxonomy.console import invocation, visible
from taxonomy.sources.offline import options as offline

if TYPE_CHECKING:
    from taxonomy.hierarchy import Hierarchy

DATASETS = ("cub", "cub-paper", "aircraft", "cars", "sketchbirds", "folder")
POLICIES = ("error", "fill", "collapse")
FOLDER = click.Path(exists=True, path_type=Path)
CACHE = click.Path(file_okay=False, path_type=Path)

_SHAPE = ("levels", "ragged", "name", "root_label")
_WIKI = ("source", "contact", "api_url", "cache", "offline", "review")
TAKES: Final = {
    "the reviewed tables": ("dataset", "source"),
    "a dataset's own files": ("dataset", "root"),
    "folders": ("dataset", "root", *_SHAPE),
    "a table": ("table", *_SHAPE),
    "another tool's file": ("imported", *_SHAPE),
    "Wikipedia's pages on a dataset": ("dataset", *_WIKI),
    "Wikipedia's pages on a list of names": ("names", "levels", "name", "root_label", *_WIKI),
    "a taxonomy on the disk": ("names", "source", *offline.TAKES),
}


@click.command()
@click.option("--dataset", type=click.Choice(DATASETS), help="Whose classes to arrange.")
@click.option("--source", type=click.Choice(["curated", "wikipedia", *offline.SOURCES]), help="Who says it.")
@click.option("--root", type=FOLDER, help="Where the dataset lies: aircraft, cars or folder.")
@click.option("--csv", "table", type=HIERARCHY, help="Table with a column per level, rows in any order.")
@click.option(
    "--from",
    "imported",
    type=(click.Choice(READABLE), HIERARCHY),
    metavar="FORMAT FILE",
    help=f"File of another tool: {', '.join(READABLE)}.",
)
@click.option("--names", type=HIERARCHY, help="Classes to look up, one per line, or a CSV with a column class.")
@offline.offline_options
@click.option(
    "--levels", metavar="A,B,...", help="Names of the levels, coarsest first; columns for --csv, ranks for --names."
)
@click.option(
    "--ragged",
    type=click.Choice(POLICIES),
    default="error",
    show_default=True,
    help="What to do with uneven depth: refuse, fill gaps with taxa named after their neighbour, drop levels.",
)
@click.option("--name", help="What to call the hierarchy [the file's or folder's name].")
@click.option("--root-label", help="What every label is, such as bird [object].")
@click.option("--contact", envvar="HIERTAX_CONTACT", help="Your e-mail or URL, sent to Wikipedia [$HIERTAX_CONTACT].")
@click.option("--api-url", help="Another MediaWiki's api.php [https://en.wikipedia.org/w/api.php].")
@click.option("--cache", type=CACHE, help="Folder of Wikipedia's answers.")
@click.option("--offline", is_flag=True, help="Rebuild from the cached answers, without any request.")
@click.option("--review", type=OUTPUT, help="CSV to write: where Wikipedia differs from the reviewed table.")
@click.option("--out", type=OUTPUT, help="File to write [hierarchies/NAME.json].")
@click.pass_context
def build(ctx: click.Context, /, **given: Any) -> None:
    """Build a hierarchy file: without a network, or from Wikipedia.

    From the package's reviewed tables (--dataset), from a dataset's own files (--dataset with --root), from a
    table (--csv), or from the file of another tool (--from). `cub` is the corrected bird tree (13/37/200);
    `cub-paper` the published one (13/38/200), slip included. `folder` takes nested folders of images.

    From Wikipedia, each class's page is asked, at most 200 requests a minute; every fact that two pages state is
    cross-checked, none is guessed, and NAME.evidence.csv tells who says what. Answers are cached: an interrupted
    build goes on where it stopped. docs/wikipedia.md tells the rules.

    From a taxonomy on the disk, names are found in --archive: NCBI's taxdump, a Darwin Core Archive (GBIF, Catalogue
    of Life) or CoLDP, the checklist of Clements or eBird. docs/sources.md tells the rules.

    \b
    Example:
      hiertax build --dataset cub --out cub.json
      hiertax build --dataset cub --source wikipedia --contact you@example.org --review diff.csv
      hiertax build --names birds.txt --levels order,family,species --contact you@example.org
      hiertax build --names birds.txt --levels order,family,species --source ncbi --archive taxdump.tar.gz --within Aves
      hiertax build --dataset aircraft --root fgvc-aircraft-2013b
      hiertax build --dataset folder --root pets --levels group,breed --root-label pet
      hiertax build --csv birds.csv --levels order,family,species --ragged fill
      hiertax build --from newick tree.nwk --levels family,genus,species
    """
    origin = _origin(**given)
    _refuse_what_has_no_meaning(ctx, origin)
    if origin == "a taxonomy on the disk":
        _from_disk(ctx, **given)
    elif origin.startswith("Wikipedia"):
        _from_wikipedia(**given)
    else:
        _save(_without_network(ctx, origin, **given), given["out"])


def _origin(
    dataset: str | None, source: str | None, table: Path | None, imported: Any, names: Path | None,
    root: Path | None, **_: Any,
) -> str:  # fmt: skip
    """Tell which key of `TAKES` the options mean."""
    if sum(given is not None for given in (dataset, table, imported, names)) != 1:
        raise click.UsageError("give one of --dataset, --csv, --from and --names.")
    if names is not None:
        return "a taxonomy on the disk" if source in offline.SOURCES else "Wikipedia's pages on a list of names"
    if dataset is None:
        return "a table" if table else "another tool's file"
    if source == "wikipedia":
        return "Wikipedia's pages on a dataset"
    if dataset == "folder":
        return "folders"
    return "a dataset's own files" if root and dataset in ("aircraft", "cars") else "the reviewed tables"


def _refuse_what_has_no_meaning(ctx: click.Context, origin: str) -> None:
    """Refuse options of another source, and a source without the options that it needs."""
    takes, values = TAKES[origin], ctx.params
    for name in values:
        if name not in (*takes, "out") and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            fits = " or ".join(key for key, options in TAKES.items() if name in options)
            raise click.UsageError(f"--{name.replace('_', '-')} goes with {fits}, not with {origin}.")
    if origin == "folders" and values["root"] is None:
        raise click.UsageError("--dataset folder needs --root DIR, the folder of the class folders.")
    if values["names"] is not None and values["source"] == "curated":
        raise click.UsageError("--names are looked up on Wikipedia; leave out --source curated.")
    if values["source"] in offline.SOURCES and values["names"] is None:
        raise click.UsageError(f"--source {values['source']} needs --names FILE, the classes to look up.")
    if values["source"] in offline.SOURCES and values["archive"] is None:
        raise click.UsageError(f"--source {values['source']} needs --archive {offline.ARCHIVE}.")
    if values["names"] is not None and values["levels"] is None:
        raise click.UsageError("--names needs --levels, the ranks to look for, such as order,family,species.")


def _without_network(
    ctx: click.Context, origin: str, *, dataset: str, root: Path, table: Path | None, imported: tuple[str, Path] | None,
    levels: str | None, ragged: Any, name: str | None, root_label: str | None, **_: Any,
) -> Hierarchy:  # fmt: skip
    from taxonomy import formats
    from taxonomy.leveling import Reading
    from taxonomy.sources import aircraft, cars, curated, folder

    if origin == "the reviewed tables":
        return curated.build(dataset)
    command = invocation("hiertax", ctx)
    if origin == "a dataset's own files":
        build_from = aircraft.build if dataset == "aircraft" else cars.build
        return build_from(root, {"kind": "dataset", "command": command})
    about: dict[str, Any] = {"kind": "folder", "command": command}
    reading = Reading(name, root_label, tuple(_split(levels)) if levels else None, ragged, about)
    if origin == "folders":
        return folder.build(root, reading)
    kind, path = imported or ("lineage-csv", table or Path())
    about.update(kind="imported", format=kind)
    return formats.load(path, reading, kind)


def _save(hierarchy: Hierarchy, out: Path | None) -> None:
    _refuse_paths(hierarchy.name, out)
    out = out or Path("hierarchies") / f"{hierarchy.name}.json"
    hierarchy.save(out)
    if ragged := hierarchy.source.get("ragged"):
        done = (
            f"taxa added: {ragged['taxa']}" if "taxa" in ragged else f"levels dropped: {', '.join(ragged['dropped'])}"
        )
        click.echo(f"--ragged {ragged['policy']}: lineages with a gap: {ragged['lineages']}; {done}", err=True)
    sizes = ", ".join(f"{len(level)} {level.name}" for level in hierarchy.levels)
    click.echo(visible(f"{out}: {hierarchy.root} > {sizes}"))


def _from_wikipedia(
    *, dataset: str, names: Path | None, levels: str, name: str | None, root_label: str | None, out: Path | None,
    contact: str | None, api_url: str | None, cache: Path | None, offline: bool, review: Path | None, **_: Any,
) -> None:  # fmt: skip
    from taxonomy.sources.wikipedia.build import of_dataset, of_names
    from taxonomy.sources.wikipedia.command import run

    request = of_names(names, _ranks(levels), name, root_label) if names else of_dataset(dataset)
    _refuse_paths(request.name, out)
    run(request, out=out, contact=contact, api_url=api_url, cache=cache, offline=offline, review=review)


def _from_disk(
    ctx: click.Context, *, names: Path, source: str, archive: Path, within: str | None, levels: str, ragged: Any,
    name: str | None, root_label: str | None, out: Path | None, review: Path | None, **_: Any,
) -> None:  # fmt: skip
    from taxonomy.sources.offline.command import run

    _refuse_paths(name or names.stem, out)
    run(
        names, source, archive, tuple(_ranks(levels)), within=within, ragged=ragged, name=name, root_label=root_label,
        command=invocation("hiertax", ctx), out=out, review=review,
    )  # fmt: skip


def _refuse_paths(name: str, out: Path | None) -> None:
    """Refuse a hierarchy's name that would lead the usual output file to another folder."""
    if out is None and Path(name).name != name:
        raise click.UsageError(f"{name!r} cannot name a file; give --out or --name.")


def _ranks(text: str) -> list[str]:
    ranks = [rank.casefold() for rank in _split(text)]
    if len(ranks) < 2 or len(set(ranks)) < len(ranks) or not all(ranks):
        raise click.UsageError(f"--levels {text}: give two or more different ranks, such as order,family,species.")
    return ranks


def _split(levels: str) -> list[str]:
    return [level.strip() for level in levels.split(",")]
