"""What `hiertax build` can build from: one entry per source, with the options that it takes.

A new source is a function that takes `Options` and writes what it builds, an entry in `SOURCES`, and, where it has
options of its own, a field of `Options` and a ``click.option`` in `taxonomy.commands.build`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from taxonomy.commands.reading_options import said
from taxonomy.console import visible
from taxonomy.sources.offline import options as offline

if TYPE_CHECKING:
    from taxonomy.hierarchy import Hierarchy
    from taxonomy.leveling import ImportOptions


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `hiertax build` as typed, and the line that rebuilds the result."""

    dataset: str | None
    source: str | None
    root: Path | None
    table: Path | None
    imported: tuple[str, Path] | None
    names: Path | None
    levels: str | None
    ragged: Any
    name: str | None
    root_label: str | None
    contact: str | None
    api_url: str | None
    cache: Path | None
    offline: bool
    review: Path | None
    archive: Path | None
    within: str | None
    out: Path | None
    reading: dict[str, Any]
    command: str


@dataclass(frozen=True)
class Source:
    """A source of hierarchies.

    Attributes
    ----------
    what
        What messages call it.
    given
        The field of `Options` that names what to build from: a key of `INPUTS`.
    takes
        The other fields that mean something to it, but for ``source`` and ``out``.
    build
        Builds and writes; says on stderr what was left out.
    source
        The value of ``--source`` that asks for it, if one does. Of sources for the same input the first is the usual.
    fits
        Tells whether it is for these options at all.
    needs
        Fields that it cannot do without: the flag's value in the help, and what it is.
    """

    what: str
    given: str
    takes: tuple[str, ...]
    build: Callable[[Options], None]
    source: str | None = None
    fits: Callable[[Options], bool] = lambda _: True
    needs: tuple[tuple[str, str], ...] = ()

    def means(self, name: str) -> bool:
        """Tell whether an option has a meaning here."""
        return name in (self.given, *self.takes, "out") or (name == "source" and self.source is not None)


INPUTS: Final = {"dataset": "--dataset", "table": "--csv", "imported": "--from", "names": "--names"}


def choose(options: Options) -> Source:
    """Return the source that the options mean.

    Raises
    ------
    click.UsageError
        If they name no input or several, a ``--source`` for another one, or lack what the source needs.
    """
    given = [name for name in INPUTS if getattr(options, name) is not None]
    if len(given) != 1:
        *others, last = INPUTS.values()
        raise click.UsageError(f"give one of {', '.join(others)} and {last}.")
    able = [source for source in SOURCES if source.given == given[0] and source.fits(options)]
    asked = [source for source in able if options.source in (None, source.source)]
    if not asked:
        fits = " or ".join(dict.fromkeys(source.what for source in SOURCES if source.source == options.source))
        raise click.UsageError(f"--source {options.source} goes with {fits}, not with {able[0].what}.")
    chosen = asked[0]
    for name, what in chosen.needs:
        if getattr(options, name) is None:
            typed = f"--dataset {options.dataset}" if chosen.given == "dataset" else INPUTS[chosen.given]
            typed = typed if options.source is None else f"--source {options.source}"
            raise click.UsageError(f"{typed} needs --{name.replace('_', '-')} {what}.")
    return chosen


def refuse_what_has_no_meaning(source: Source, typed: Sequence[str]) -> None:
    """Refuse options that a source does nothing with.

    Raises
    ------
    click.UsageError
        On the first such, with the sources that it goes with.
    """
    for name in typed:
        if not source.means(name):
            fits = " or ".join(dict.fromkeys(other.what for other in SOURCES if other.means(name)))
            raise click.UsageError(f"--{name.replace('_', '-')} goes with {fits}, not with {source.what}.")


# ---------------------------------------------------------------- how each builds


def _reviewed(options: Options) -> None:
    from taxonomy.sources import curated

    save(curated.build(options.dataset or ""), options)


def _own_files(options: Options) -> None:
    from taxonomy.sources import aircraft, cars

    build = aircraft.build if options.dataset == "aircraft" else cars.build
    save(build(options.root or Path(), {"kind": "dataset", "command": options.command}), options)


def _own_lists(options: Options) -> None:
    from taxonomy.datasets import listed_dataset
    from taxonomy.sources.lists import hierarchy_of

    name = options.dataset or ""
    dataset = listed_dataset(options.root or Path(), name)
    reading = _reading(options, kind="dataset")
    named = replace(reading, name=reading.name or name, root=reading.root or _OWN_LISTS[name])
    save(replace(hierarchy_of(dataset, named), dataset=name), options, dataset.notes)


def _folders(options: Options) -> None:
    from taxonomy.datasets import find_dataset
    from taxonomy.sources.folder import hierarchy_of

    levels = _split(options.levels) if options.levels else None
    dataset = find_dataset(options.root or Path(), levels=levels)
    hierarchy = hierarchy_of(dataset, _reading(options, kind="folder"))
    save(hierarchy, options, (*dataset.notes, *said(options.reading["notes"])))


def _table(options: Options) -> None:
    from taxonomy import formats

    path = options.table or Path()
    kind = table_format(path)
    hierarchy = formats.load(path, _reading(options, kind="imported", format=kind), kind)
    save(hierarchy, options, said(options.reading["notes"]))


def _imported(options: Options) -> None:
    from taxonomy import formats

    kind, path = options.imported or ("", Path())
    hierarchy = formats.load(path, _reading(options, kind="imported", format=kind), kind)
    save(hierarchy, options, said(options.reading["notes"]))


def _wikipedia_on_dataset(options: Options) -> None:
    from taxonomy.sources.wikipedia.build import of_dataset

    _ask_wikipedia(of_dataset(options.dataset or ""), options)


def _wikipedia_on_names(options: Options) -> None:
    from taxonomy.sources.wikipedia.build import of_names

    ranks = ranks_of(options.levels or "")
    _ask_wikipedia(of_names(options.names or Path(), ranks, options.name, options.root_label), options)


def _ask_wikipedia(request: Any, options: Options) -> None:
    from taxonomy.sources.wikipedia.command import run

    refuse_paths(request.name, options.out)
    run(
        request, out=options.out, contact=options.contact, api_url=options.api_url, cache=options.cache,
        offline=options.offline, review=options.review,
    )  # fmt: skip


def _offline(options: Options) -> None:
    from taxonomy.sources.offline.command import run

    names, archive = options.names or Path(), options.archive or Path()
    refuse_paths(options.name or names.stem, options.out)
    run(
        names, options.source or "", archive, tuple(ranks_of(options.levels or "")), within=options.within,
        ragged=options.ragged, name=options.name, root_label=options.root_label, command=options.command,
        out=options.out, review=options.review, qualify=options.reading["qualify"],
    )  # fmt: skip


_OWN_FILES: Final = ("aircraft", "cars")
_OWN_LISTS: Final = {"nabirds": "bird", "inat": "organism", "pets": "pet"}  # and what their labels are
_REVIEWED: Final = ("cub", "cub-paper", "aircraft", "cars", "sketchbirds")
_ROOT: Final = (("root", "DIR, the folder of its lists"),)
_SHAPE: Final = ("levels", "ragged", "name", "root_label")
_WIKI: Final = ("contact", "api_url", "cache", "offline", "review")
_RANKS: Final = ("levels", "A,B,..., the ranks to look for, such as order,family,species")

SOURCES: Final = (
    Source(
        "the reviewed tables", "dataset", (), _reviewed, source="curated",
        fits=lambda options: options.dataset in _REVIEWED and not _has_own_files(options),
    ),
    Source("a dataset's own files", "dataset", ("root",), _own_files, fits=lambda options: _has_own_files(options)),
    Source(
        "a dataset's own lists", "dataset", ("root", *_SHAPE), _own_lists,
        fits=lambda options: options.dataset in _OWN_LISTS, needs=_ROOT,
    ),
    Source(
        "folders", "dataset", ("root", *_SHAPE), _folders, fits=lambda options: options.dataset == "folder",
        needs=(("root", "DIR, the folder of the class folders, or a table of images"),),
    ),
    Source("a table", "table", _SHAPE, _table),
    Source("another tool's file", "imported", _SHAPE, _imported),
    Source(
        "Wikipedia's pages on a dataset", "dataset", _WIKI, _wikipedia_on_dataset, source="wikipedia",
        fits=lambda options: options.dataset not in _OWN_LISTS,
    ),
    Source(
        "Wikipedia's pages on a list of names", "names", ("levels", "name", "root_label", *_WIKI), _wikipedia_on_names,
        source="wikipedia", needs=(_RANKS,),
    ),
    *(
        Source(
            "a list of names looked up on the disk", "names", offline.TAKES, _offline, source=kind,
            needs=(_RANKS, ("archive", offline.ARCHIVE)),
        )
        for kind in offline.SOURCES
    ),
)  # fmt: skip


def _has_own_files(options: Options) -> bool:
    return options.root is not None and options.dataset in _OWN_FILES


# ---------------------------------------------------------------- what they share


def save(hierarchy: Hierarchy, options: Options, notes: Sequence[str] = ()) -> None:
    """Write a hierarchy where asked, and say what was left out and how it was levelled."""
    refuse_paths(hierarchy.name, options.out)
    out = options.out or Path("hierarchies") / f"{hierarchy.name}.json"
    hierarchy.save(out)
    for note in notes:
        click.echo(visible(note), err=True)
    if ragged := hierarchy.source.get("ragged"):
        done = (
            f"taxa added: {ragged['taxa']}" if "taxa" in ragged else f"levels dropped: {', '.join(ragged['dropped'])}"
        )
        click.echo(f"--ragged {ragged['policy']}: lineages with a gap: {ragged['lineages']}; {done}", err=True)
    sizes = ", ".join(f"{len(level)} {level.name}" for level in hierarchy.levels)
    click.echo(visible(f"{out}: {hierarchy.root} > {sizes}"))


def table_format(path: Path) -> str:
    """Return the format of a table of lineages, which its suffix tells."""
    return {".parquet": "parquet", ".xlsx": "xlsx", ".xlsm": "xlsx"}.get(path.suffix.lower(), "lineage-csv")


def formats_of(options: Options) -> tuple[str, ...]:
    """Return the format of the input, as `taxonomy.commands.reading_options.refuse_meaningless` has it."""
    if options.table is not None:
        return (table_format(options.table),)
    if options.imported is not None:
        return (options.imported[0],)
    if options.names is not None and options.source in offline.SOURCES:
        return ("names",)
    return ("folders",) if options.dataset == "folder" else ()


def refuse_paths(name: str, out: Path | None) -> None:
    """Refuse a hierarchy's name that would lead the usual output file to another folder."""
    if out is None and Path(name).name != name:
        raise click.UsageError(f"{name!r} cannot name a file; give --out or --name.")


def ranks_of(text: str) -> list[str]:
    """Return the ranks that ``--levels`` names for a list of names."""
    ranks = [rank.casefold() for rank in _split(text)]
    if len(ranks) < 2 or len(set(ranks)) < len(ranks) or not all(ranks):
        raise click.UsageError(f"--levels {text}: give two or more different ranks, such as order,family,species.")
    return ranks


def _reading(options: Options, **about: str) -> ImportOptions:
    from taxonomy.leveling import ImportOptions

    levels = tuple(_split(options.levels)) if options.levels else None
    source = {**about, "command": options.command}
    return ImportOptions(options.name, options.root_label, levels, options.ragged, source, **options.reading)


def _split(levels: str) -> list[str]:
    return [level.strip() for level in levels.split(",")]
