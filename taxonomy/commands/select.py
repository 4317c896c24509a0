"""``hiertax select``: part of a hierarchy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taxonomy.commands.parameters import HIERARCHY, OUTPUT, READABLE
from taxonomy.commands.reading_options import flags_in_errors, load, reading_options, refuse_meaningless
from taxonomy.console import invocation, visible
from taxonomy.files import listed_names

if TYPE_CHECKING:
    from taxonomy.hierarchy import Hierarchy

UNRANKED = ("edges", "newick", "nexus", "outline", "nested-json", "node-link")


@click.command()
@click.argument("file", type=HIERARCHY)
@click.option("--levels", metavar="A,B,...", help="Levels to keep, coarsest first; with --depths, what to call them.")
@click.option("--depths", metavar="I,J,...", help="Levels to keep by place: 1 the coarsest, -1 the finest.")
@click.option("--classes", type=HIERARCHY, help="File of the classes to keep, one a line, by class name or label.")
@click.option("--within", metavar="TAXON", help="Keep what is below this taxon: Aves, or class=Aves.")
@click.option("--from", "kind", type=click.Choice(READABLE), help="Format of FILE [told by suffix and content].")
@click.option(
    "--ragged",
    type=click.Choice(["error", "fill", "collapse"]),
    default="error",
    show_default=True,
    help="What to do with uneven depth, as of `hiertax build`.",
)
@reading_options
@click.option("--name", help="What to call the result [as FILE].")
@click.option("--out", type=OUTPUT, required=True, help="File to write.")
@click.pass_context
def select(
    ctx: click.Context, file: Path, levels: str | None, depths: str | None, classes: Path | None, within: str | None,
    kind: str | None, ragged: Any, name: str | None, out: Path, reading: dict[str, Any],
) -> None:  # fmt: skip
    """Choose part of a hierarchy: fewer levels, fewer classes, one clade.

    FILE is a hierarchy file or any format that `hiertax build --from` reads; the options of `hiertax build` say how.
    Without the finest level the taxa of the last level that stays become the classes. A deep tree without ranks, such
    as WordNet's, becomes one of three levels by --depths.

    \b
    Example:
      hiertax select cub.json --levels order,species --out cub-2.json
      hiertax select cub.json --within Passeriformes --classes mine.txt --out songbirds.json
      hiertax select wordnet.txt --depths 2,5,-1 --parents shortest --ragged fill --out imagenet.json
    """
    from taxonomy import formats
    from taxonomy.leveling import ImportOptions

    if not (levels or depths or classes or within):
        raise click.UsageError("give --levels, --depths, --classes or --within.")
    with flags_in_errors():
        kind = kind or formats.guess(file, formats.read_limited(file))
        refuse_meaningless(ctx, [kind] if kind else [])
        places, names = _numbers(depths), tuple(_split(levels)) if levels else None
        unranked = kind in UNRANKED
        how = ImportOptions(name, ragged=ragged, **reading)
        if unranked and places:
            how = replace(how, depths=places, levels=names)
        hierarchy = load(file, how, kind)
        part = _selected(hierarchy, classes, within, *((None, None) if unranked and places else (names, places)))
    about: dict[str, Any] = {"kind": "selected", "command": invocation("hiertax", ctx), "from": hierarchy.source}
    about |= {key: part.source[key] for key in ("restricted",) if key in part.source}
    part = replace(part, name=name or part.name, source=about)
    part.save(out)
    _say(hierarchy, part, out)


def _selected(
    hierarchy: Hierarchy, classes: Path | None, within: str | None, names: tuple[str, ...] | None,
    places: tuple[int, ...] | None,
) -> Hierarchy:  # fmt: skip
    from taxonomy import formats, selection

    if names and places and len(names) != len(places):
        raise click.UsageError(f"--levels names {len(names)} of the {len(places)} levels that --depths keeps.")
    listed = None if classes is None else listed_names(formats.read_text(classes), classes)
    part = selection.select(
        hierarchy, within=within, classes=listed, listed=listed or {}, levels=None if places else names, depths=places
    )
    if places and names:
        levels = tuple(replace(level, name=name) for level, name in zip(part.levels, names, strict=True))
        part = replace(part, levels=levels)
    return part


def _say(whole: Hierarchy, part: Hierarchy, out: Path) -> None:
    classes, levels = len(whole.classes) - len(part.classes), whole.depth - part.depth
    if classes or levels:
        click.echo(f"left out: {classes} of {len(whole.classes)} classes, {levels} of {whole.depth} levels", err=True)
    sizes = ", ".join(f"{len(level)} {level.name}" for level in part.levels)
    click.echo(visible(f"{out}: {part.root} > {sizes}"))


def _numbers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.UsageError(f"--depths {text}: give whole numbers, such as 2,5,-1.") from None


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]
