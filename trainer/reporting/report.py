"""The report on some runs: everything gathered, drawn and written as one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from taxonomy import Hierarchy, HiertaxError
from taxonomy.files import write_atomic
from trainer.evaluation.comparison import Comparison, compare_scores
from trainer.evaluation.scores import Scores
from trainer.explanation.explain import MapSettings
from trainer.inference.predictor import Predictor
from trainer.inference.run_dataset import Where
from trainer.reporting import draw
from trainer.reporting.cases import Case, Maps, choose_cases, room_for, shown_cases, shown_images
from trainer.reporting.gather import RunFacts, Scored, gather
from trainer.reporting.left_out import Remark, remarks_of_images, remarks_of_page, remarks_of_runs
from trainer.reporting.page import render
from trainer.reporting.protocol import Protocol, protocol
from trainer.reporting.tables import (
    Confused,
    LevelCard,
    Table,
    cards,
    comparison_table,
    confused,
    operating_table,
    score_table,
)
from trainer.reporting.tree import TreeStep, tree_steps
from trainer.runtime.progress import Reporter


@dataclass(frozen=True, eq=False)
class Report:
    """All that the page shows; what there is not is empty or None.

    Attributes
    ----------
    runs
        What is known of each run; its place in the list is its number on the page.
    cards
        Each level at a glance.
    scores
        Tables of all scores, each with a title.
    comparison
        How runs differ from the first.
    points, confusions
        Of each scored run its number, and its table of operating points or its most confused taxa.
    tree
        The tree with what scored runs tell of each taxon.
    worst, best, images
        Images with maps and chains: of the first scored run, and those that were asked for.
    maps
        How maps were made.
    left_out
        What is not there, and why.
    """

    hierarchy: Hierarchy
    runs: Sequence[RunFacts]
    protocol: Protocol
    curves: Sequence[draw.Picture]
    cards: Sequence[LevelCard]
    scores: Mapping[str, Table]
    comparison: Table | None
    operating: Sequence[draw.Picture]
    points: Sequence[tuple[int, Table]]
    reliability: Sequence[draw.Picture]
    tree: Sequence[TreeStep]
    confusions: Sequence[tuple[int, Sequence[Confused]]]
    worst: Sequence[Case]
    best: Sequence[Case]
    images: Sequence[Case]
    maps: MapSettings
    left_out: Sequence[Remark]

    @property
    def has_maps(self) -> bool:
        """Whether there is a map on it."""
        cases = (*self.worst, *self.best, *self.images)
        return any(answer.maps for case in cases for answer in case.answers)


def write_report(
    runs: Mapping[str, Predictor], out: Path, reporter: Reporter, *, images: Sequence[Path] = (), **where: Unpack[Where]
) -> Report:
    """Write the page about runs on one hierarchy.

    Runs that cannot be scored, such as those whose images are not at hand, are shown as far as they can be.

    Parameters
    ----------
    runs
        The runs, by what each is to be called.
    out
        The file to write.
    images
        Images to show with each run's chain. Where an image's folder is named like a class, that is its truth.
    where
        As of `trainer.inference.run_dataset.run_dataset`.

    Returns
    -------
    What it shows.

    Raises
    ------
    HiertaxError
        If the runs are on different hierarchies, a log or one of `images` cannot be read, or the file not be written.
    """
    _check_place(out)
    report = make_report(runs, reporter, images=images, **where)
    write_atomic(out, render(report).encode())
    return report


def _check_place(out: Path) -> None:
    """Refuse, before anything is computed, a file that could not be written."""
    folders = (place for place in out.absolute().parents if place.exists())
    blocked = next((place for place in folders if not place.is_dir()), out if out.is_dir() else None)
    if blocked is not None:
        what = "is a folder" if blocked == out else f"{blocked} is no folder"
        raise HiertaxError(f"{out}: cannot be written: {what}; choose another place")


def make_report(
    runs: Mapping[str, Predictor], reporter: Reporter, *, images: Sequence[Path] = (), **where: Unpack[Where]
) -> Report:
    """Gather and draw what the page shows; see `write_report`."""
    facts = gather(runs, reporter, **where)
    scored = [(i, run.called, run.scored) for i, run in enumerate(facts) if run.scored is not None]
    scores = [(i, called, each.scores) for i, called, each in scored]
    hierarchy, maps = facts[0].hierarchy, Maps(facts)
    with reporter.images("explaining", None):
        asked = shown_images(facts, images, maps)
        worst, best = _cases(facts, scored, maps)
    comparison, problem = _compared(scored)
    confusions = [(i, confused(each)) for i, _, each in scores]
    return Report(
        hierarchy=hierarchy,
        runs=facts,
        protocol=protocol(facts),
        curves=draw.curves(facts),
        cards=cards(scores) if scores else (),
        scores=_score_tables(scores),
        comparison=None if comparison is None else comparison_table(comparison),
        operating=draw.operating(scored),
        points=[(i, table) for i, _, each in scored if (table := operating_table(each)) is not None],
        reliability=draw.reliability(scored) if scored else (),
        tree=list(tree_steps(hierarchy, [(i, each) for i, _, each in scores])),
        confusions=confusions,
        worst=worst,
        best=best,
        images=asked,
        maps=maps.settings,
        left_out=[
            *remarks_of_runs(facts, maps.refused),
            *problem,
            *remarks_of_page(confusions[0][1] if confusions else (), scores[0][2] if scores else None, worst, best),
            *remarks_of_images(len(images), len(asked), room_for(hierarchy.depth, len(facts))),
        ],
    )


def _cases(
    facts: Sequence[RunFacts], scored: Sequence[tuple[int, str, Scored]], maps: Maps
) -> tuple[list[Case], list[Case]]:
    if not scored:
        return [], []
    i, _, first = scored[0]
    room = room_for(facts[0].hierarchy.depth, len(facts))
    chosen = choose_cases(facts[0].hierarchy, first.scores.truth, first.scores.predictions["path"], room)
    worst, best = (shown_cases(facts, i, rows, maps) for rows in chosen)
    return worst, best


def _compared(scored: Sequence[tuple[int, str, Scored]]) -> tuple[Comparison | None, list[Remark]]:
    if len(scored) < 2:
        return None, []
    try:
        return compare_scores({called: each.scores for _, called, each in scored}), []
    except HiertaxError as error:
        return None, [Remark(f"no paired differences: {error}")]


def _score_tables(runs: Sequence[tuple[int, str, Scores]]) -> dict[str, Table]:
    if not runs:
        return {}
    if len(runs) == 1:
        scores = runs[0][2]
        return {"": score_table({"one path": (scores, "path"), "each head by itself": (scores, "independent")})}
    return {
        "One path, as predict answers": score_table({called: (each, "path") for _, called, each in runs}),
        "Each head by itself, as in the paper": score_table(
            {called: (each, "independent") for _, called, each in runs}
        ),
    }
