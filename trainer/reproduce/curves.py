"""A run's learning curve over the authors' own, of the logs that they published with their code (one run a dataset).

The source: the repository PRIS-CV/Fine-Grained-or-Not, the files ``*_output.out`` of birds, air and cars.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from taxonomy import HiertaxError
from trainer.reproduce.drawing import COLOURS, GREY, picture
from trainer.reproduce.published import SIZES
from trainer.reproduce.tables import Table
from trainer.runs.header import Header, last_checkpoint
from trainer.runs.log import Row, read_log

DATASETS: Final = tuple(SIZES)
NOTES: Final = (
    "The authors scored 5,760 of 5,794 test images of CUB, 3,328 of 3,333 of Aircraft and 8,000 of 8,041 of Cars, in "
    "every epoch others: their loader dropped the last batch. A run here is scored on all.",
)


def published_curve(dataset: str) -> dict[str, list[float]]:
    """Return the test accuracy of each level after each epoch, in percent."""
    text = (files("trainer.reproduce") / "published_curves.csv").read_text(encoding="utf-8")
    found: dict[str, list[float]] = {}
    for row in csv.DictReader(text.splitlines()):
        if row["dataset"] == dataset:
            found.setdefault(row["level"], []).append(float(row["test"]))
    return found


def own_curve(run: Path) -> dict[str, list[float | None]]:
    """Return the test accuracy of each level of a run after each epoch, in percent, coarsest level first.

    Raises
    ------
    HiertaxError
        If there is no run, or no log of it.
    """
    header, rows = Header.read(last_checkpoint(run)), read_log(run)
    return {level.name: [_percent(row, level.name) for row in rows] for level in header.hierarchy.levels}


def _percent(row: Row, level: str) -> float | None:
    value = row.get(f"test_{level}", row.get(f"val_{level}"))
    return None if value is None else 100 * float(value)


def paired(run: Path, dataset: str) -> list[tuple[str, list[float | None], list[float]]]:
    """Return each level of a run, its curve, and the authors' of the level at the same place.

    Raises
    ------
    HiertaxError
        If the run has another number of levels; and as `own_curve`.
    """
    own, theirs = own_curve(run), published_curve(dataset)
    if len(own) != len(theirs):
        raise HiertaxError(
            f"{run}: has {len(own)} levels, and the published curves of {dataset} {len(theirs)}; name another dataset"
        )
    return [(name, ours, curve) for (name, ours), curve in zip(own.items(), theirs.values(), strict=True)]


def curves_notes(run: Path, dataset: str) -> tuple[str, ...]:
    """Return what is to be known beside both curves; first, where the run learned other labels, that it did.

    Raises
    ------
    HiertaxError
        If there is no run.
    """
    own = Header.read(last_checkpoint(run)).hierarchy
    if own.dataset == dataset and len(own.classes) == SIZES[dataset][-1]:
        return NOTES
    other = (
        f"This run is of {len(own.classes)} classes of {own.dataset or own.name}, the authors' of {SIZES[dataset][-1]} "
        f"of {dataset}: differences are not of the networks alone."
    )
    return (other, *NOTES)


def curves_table(
    run: Path, dataset: str, found: Sequence[tuple[str, list[float | None], list[float]]], notes: Sequence[str]
) -> Table:
    """Lay out both curves after some epochs."""
    last = max(len(ours) for _, ours, _ in found)
    epochs = sorted({epoch for epoch in (1, 2, 5, 10, 20, 50, 100, last) if epoch <= max(100, last)})
    header = ["epoch"]
    for name, _, _ in found:
        header += [name, "authors", "difference"]
    rows = []
    for epoch in epochs:
        row = [str(epoch)]
        for _, ours, theirs in found:
            one = ours[epoch - 1] if epoch <= len(ours) else None
            two = theirs[epoch - 1] if epoch <= len(theirs) else None
            both = "" if one is None or two is None else f"{one - two:+.2f}"
            row += ["" if each is None else f"{each:.2f}" for each in (one, two)] + [both]
        rows.append(tuple(row))
    return Table(
        f"{run.name} beside the authors' run on {dataset}, test accuracy in %", tuple(header), tuple(rows), tuple(notes)
    )


def curves_figure(run: Path, dataset: str, found: Sequence[tuple[str, list[float | None], list[float]]]) -> bytes:
    """Draw both curves, a panel for each level, as a PNG."""
    with picture((3.4 * len(found), 3.2), f"{run.name} over the authors' run on {dataset}", quick=False) as made:
        panels: Any = made.figure.subplots(1, len(found), squeeze=False)[0]
        for panel, (name, ours, theirs) in zip(panels, found, strict=True):
            panel.plot(range(1, len(theirs) + 1), theirs, color=GREY, ls="--", lw=1.4, label="authors")
            values = [float("nan") if value is None else value for value in ours]
            panel.plot(range(1, len(ours) + 1), values, color=COLOURS[0], lw=1.8, label=run.name)
            panel.set_title(name, fontsize=10)
            panel.set_xlabel("epoch")
        panels[0].set_ylabel("test accuracy, %")
        panels[-1].legend(frameon=False, fontsize=8)
    return made.png
