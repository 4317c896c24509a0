"""What the page does not show, or what was left out before anything was scored: each in a line, with its count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from taxonomy.datasets.notes import counted, few
from trainer.evaluation.scores import Scores
from trainer.reporting.cases import Case
from trainer.reporting.gather import RunFacts, Scored
from trainer.reporting.tables import Confused
from trainer.reporting.tree import untested


@dataclass(frozen=True)
class Remark:
    """What is left out or missing, and of which runs; all where none is named."""

    text: str
    runs: tuple[str, ...] = ()


def remarks_of_runs(runs: Sequence[RunFacts], refused: Mapping[str, str]) -> list[Remark]:
    """Return what was left out of each run; what is the same of all of them once.

    Parameters
    ----------
    refused
        Of which runs there are no maps, and why.
    """
    said: dict[str, list[str]] = {}
    for run in runs:
        for line in _of_run(run, refused.get(run.called)):
            said.setdefault(line, []).append(run.called)
    return [Remark(line, () if len(names) == len(runs) else tuple(names)) for line, names in said.items()]


def _of_run(run: RunFacts, refused: str | None) -> Iterator[str]:
    if run.scored is None:
        yield f"not scored, so that it has no scores, no tree, no operating curve and no cases: {run.problem}"
        return
    yield from _of_images(run.scored)
    yield from _of_labels(run.scored.scores)
    if refused is not None:
        yield f"no maps: {refused}"
    if run.predictor.network.finest_only:
        yield (
            f"{run.predictor.config.method} has a head of the finest level alone: its coarser labels are those that "
            "stand above, and so are their maps"
        )
    if not run.predictor.answering.is_calibrated:
        yield "not calibrated: stated probabilities may be surer than answers are right"


def _of_images(scored: Scored) -> Iterator[str]:
    joined, scores = scored.task.joined, scored.scores
    if scores.left_out:
        total = scores.n + scores.left_out
        yield f"{scores.left_out:,} of {counted(total, f'{scores.split} image')} cannot be decoded and do not count"
    yield from dict.fromkeys((*joined.dataset.notes, *joined.notes))


def _of_labels(scores: Scores) -> Iterator[str]:
    for level, unknown in zip(scores.hierarchy.levels, (scores.truth < 0).sum(axis=0).tolist(), strict=True):
        if unknown:
            yield f"of {counted(unknown, 'image')} the {level.name} is not known; they do not count at that level"
    for name, taxa in untested(scores):
        if taxa:
            yield f"no {scores.split} image of {len(taxa):,} taxa of the level {name}: {few(taxa)}"


def remarks_of_page(
    confusions: Sequence[Confused], scores: Scores | None, worst: Sequence[Case], best: Sequence[Case]
) -> Iterator[Remark]:
    """Yield what there is more of than the page shows."""
    more = [f"{each.more:,} at {each.level} ({counted(each.more_images, 'image')})" for each in confusions if each.more]
    if more:
        yield Remark(f"pairs of confused taxa that are not listed: {', '.join(more)}")
    if scores is not None:
        path = scores.predictions["path"].labels
        wrong = int(((scores.truth >= 0) & (scores.truth != path)).any(axis=1).sum())
        shown = f"{len(worst)} of {counted(wrong, 'image')} with a wrong label"
        right = int(np.all(scores.truth == path, axis=1).sum())
        yield Remark(f"as cases are shown {shown}, and {len(best)} of {right:,} that are right at every level")


def remarks_of_images(asked: int, shown: int, room: int) -> Iterator[Remark]:
    """Yield what is not shown of images that were asked for, with room for maps of so many."""
    if shown < asked:
        yield Remark(
            f"{asked - shown:,} of {counted(asked, 'image')} that were asked for, so that the page stays small"
        )
    if asked > room:
        yield Remark(f"maps of the images that were asked for: there is room for those of {counted(room, 'image')}")
