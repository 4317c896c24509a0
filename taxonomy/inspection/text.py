"""What was found out about a dataset, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from taxonomy.console import visible
from taxonomy.datasets.notes import by_number, counted
from taxonomy.inspection.findings import KINDS, Finding
from taxonomy.inspection.places import Bin, LevelCounts, histogram
from taxonomy.inspection.repeats import Repeat
from taxonomy.inspection.survey import Inspection, by_images, imbalance, spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN: Final = 3  # findings of a kind
EXTREMES: Final = 5  # classes at either end
LONGEST_BAR: Final = 40
WIDEST: Final = 110


def print_inspection(found: Inspection, fix_list: Path | None = None) -> None:
    """Print everything on stdout.

    Parameters
    ----------
    fix_list
        Where the findings were written to.
    """
    console = Console(markup=False, emoji=False, highlight=False)
    console.width = min(console.width, WIDEST)
    for line in _heading(found):
        console.print(line, soft_wrap=True)
    if leaks := [repeat for repeat in found.repeats if repeat.is_leak]:
        console.print(_leak(found, leaks), soft_wrap=True)
    for title, body in _sections(found):
        console.print()
        console.print(Text(title, style="bold"))
        for part in body:
            console.print(
                Padding(part, (0, 0, 0, 2), expand=False) if isinstance(part, Table) else f"  {part}", soft_wrap=True
            )
    console.print()
    for told in _findings(found, fix_list):
        console.print(told, soft_wrap=True)


def _heading(found: Inspection) -> Iterator[str]:
    dataset, places = found.dataset, found.places
    yield visible(f"{dataset.root}: {counted(len(dataset), 'image')}")
    yield f"layout: {dataset.layout}, known by {found.found_by}"
    if places.hierarchy is not None:
        sizes = " > ".join(f"{len(level):,} {level.name}" for level in places.hierarchy.levels)
        made = "" if places.is_given else ", made from the dataset itself"
        yield visible(f"hierarchy: {places.hierarchy.name}{made}: {sizes}")
    yield from (visible(f"note: {note}") for note in dataset.notes)


def _leak(found: Inspection, leaks: Sequence[Repeat]) -> Text:
    one = leaks[0]
    paths, splits = found.dataset.table["path"], found.dataset.table["split"]
    first, last = one.rows[0], one.rows[-1]
    pair = f"{paths.iloc[first]!r} ({splits.iloc[first]}) is {paths.iloc[last]!r} ({splits.iloc[last]})"
    return Text(visible(f"LEAK: {counted(len(leaks), 'image')} in several splits: {pair}"), style="bold red")


def _sections(found: Inspection) -> Iterator[tuple[str, Sequence[Any]]]:
    finest = found.levels[-1]
    yield "Images", [_split_table(finest), *_without_split(found)]
    yield "Levels", [_level_table(found.levels)]
    yield "Images per class", [_histogram_table(histogram(finest.total))]
    yield _extremes(finest, _spoken(found))
    yield "Files", list(_files(found))
    yield "Decoding", list(_decoding(found))


def _table(first: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _split_table(finest: LevelCounts) -> Table:
    table = _table("split", "images", "classes", "min", "median", "max", "max/min")
    rows = dict(finest.images)
    if len(rows) > 1:
        rows["together"] = finest.total
    for split, images in rows.items():
        table.add_row(split, f"{images.sum():,}", f"{(images > 0).sum():,}", *_spread(images))
    return table


def _without_split(found: Inspection) -> list[str]:
    return [] if found.dataset.splits else ["no split here: training draws a fifth of every class for test"]


def _level_table(levels: Sequence[LevelCounts]) -> Table:
    partial = any(level.only for level in levels[:-1])
    more = ["known to it only"] if partial else []
    table = _table("level", "taxa", "with images", "min", "median", "max", "max/min", *more)
    for level in levels:
        only = [f"{level.only:,}" if level is not levels[-1] else ""] if partial else []
        some = int((level.total > 0).sum())
        table.add_row(level.name, f"{len(level.taxa):,}", f"{some:,}", *_spread(level.total), *only)
    return table


def _spread(images: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the least, median and largest number of images of the taxa that have any, and how far they are apart."""
    values, ratio = spread(images[images > 0]), imbalance(images)
    if values is None or ratio is None:
        return ("", "", "", "")
    return (*(f"{value:,g}" for value in values.values()), f"{ratio:,.1f}")


def _histogram_table(bins: Sequence[Bin]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    most = max((part.classes for part in bins), default=1)
    for part in bins:
        images = f"{part.low:,}" if part.low == part.high else f"{part.low:,}-{part.high:,}"
        bar = "█" * max(round(LONGEST_BAR * part.classes / most), int(part.classes > 0))
        table.add_row(f"{images} images", f"{part.classes:,}", bar)
    return table


def _spoken(found: Inspection) -> Mapping[str, str]:
    """Return the label of each class that is called by a number."""
    if found.places.hierarchy is None:
        return {}
    labels = zip(found.places.hierarchy.classes, found.places.hierarchy.levels[-1].labels, strict=True)
    return {name: f"{name} ({label})" for name, label in labels if name.isdigit() and name != label}


def _extremes(finest: LevelCounts, spoken: Mapping[str, str]) -> tuple[str, Sequence[Any]]:
    ordered = by_images(finest)
    table = _table("class", *finest.images)
    if len(ordered) <= 2 * EXTREMES:
        shown, title = ordered, "Commonest first"
    else:
        shown, title = [*ordered[:EXTREMES], *ordered[-EXTREMES:]], f"The {EXTREMES} commonest and rarest"
    for i, (name, images) in enumerate(shown):
        if i == EXTREMES and len(shown) < len(ordered):
            table.add_row("...")
        table.add_row(visible(spoken.get(name, name), 60), *(f"{number:,}" for number in images.values()))
    return title, [table]


def _files(found: Inspection) -> Iterator[str]:
    about = found.facts
    good = about.table[about.good]
    yield f"formats: {by_number(about.formats) or 'none'}"
    yield f"modes: {by_number(about.modes) or 'none'}"
    for name in ("width", "height"):
        if (values := spread(good[name])) is not None:
            yield f"{name}: " + ", ".join(f"{key} {value:,g}" for key, value in values.items()) + " px"
    if found.small:
        yield f"smaller than {found.timing.size} px in width or height: {found.small:,}"
    turned, frames = int(good["is_turned"].sum()), int(good["has_frames"].sum())
    yield f"turned upright by EXIF: {turned:,}; of several frames, the first of which is taken: {frames:,}"
    yield f"size on disk: {_gigabytes(int(about.table['bytes'].sum()))}"


def _decoding(found: Inspection) -> Iterator[str]:
    timing, number = found.timing, len(found.facts.good)
    if (seconds := timing.seconds_for(number)) is not None:
        yield (
            f"about {_duration(seconds)} for {counted(number, 'image')}: measured here on {timing.images:,} of them, "
            f"{timing.size} px, {counted(timing.cores, 'core')}"
        )
    yield f"decoded they take {_gigabytes(found.decoded_bytes)}: 3 bytes for each of {timing.size} x {timing.size} px"


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:.2f} GB" if number >= 1e7 else f"{number / 1e6:.2f} MB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _findings(found: Inspection, fix_list: Path | None) -> Iterator[Text]:
    by_kind: dict[str, list[Finding]] = {}
    for finding in found.findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    if not by_kind:
        yield Text("Nothing to mend.", style="bold green")
        return
    yield Text("To mend", style="bold")
    for kind, findings in by_kind.items():
        about = KINDS[kind]
        style = "bold red" if about.is_fault else "yellow"
        meaning = about.meaning[len(findings) > 1]
        line = Text(f"  {kind}: {len(findings):,} {meaning}; {about.cure}", style=style)
        yield line
        for finding in findings[:SHOWN]:
            yield Text(visible(f"    {finding.path}: {finding.detail}", 300))
        if len(findings) > SHOWN:
            yield Text(f"    and {len(findings) - SHOWN:,} more")
    yield _where(found, fix_list)


def _where(found: Inspection, fix_list: Path | None) -> Text:
    if fix_list is not None:
        return Text(visible(f"written to {fix_list}: {counted(len(found.findings), 'line')}"))
    return Text("all of them, one a line: --fix-list FILE.csv")
