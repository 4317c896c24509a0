"""Scores laid out for a person, in percent or in levels of the tree."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from rich.table import Table

from taxonomy import Hierarchy
from taxonomy.metrics import CONFIDENCE, Estimate, Interval, LabelScores, Measure
from trainer.evaluation.scores import Scores
from trainer.inference.decoding import BEAM_WIDTH, Rule

if TYPE_CHECKING:
    from pandas import DataFrame

MEANINGS: Final[dict[Rule, str]] = {
    "independent": "each head by itself, as in the paper",
    "leaf": "the finest head's label and its ancestors",
    "greedy": "from the coarsest level down, among the children of the last answer",
    "path": "the path with the largest product over all heads; what `hiertrain predict` answers",
    "chain": "the leaf with the largest product of shares among siblings",
    "beam": f"as path, of the {BEAM_WIDTH} best labels of each level only",
}
OF_ALL_LEVELS: Final = {
    "average_accuracy": "average accuracy",
    "weighted_average_accuracy": "weighted by labels (wAP)",
    "full_path_accuracy": "all levels right (FPA)",
    "tree_inconsistency": "contradictions (TICE)",
}
OF_NODES: Final = (
    ("hF of heads", Measure("hierarchical_f1", nodes="heads")),
    ("hF of leaf+ancestors", Measure("hierarchical_f1", nodes="leaf+ancestors")),
    ("hP of heads+ancestors", Measure("hierarchical_precision", nodes="heads+ancestors")),
    ("hR of heads+ancestors", Measure("hierarchical_recall", nodes="heads+ancestors")),
    ("hF of heads+ancestors", Measure("hierarchical_f1", nodes="heads+ancestors")),
    ("the same hF, macro", Measure("hierarchical_f1", nodes="heads+ancestors", average="macro")),
)
OF_DISTANCE: Final = {
    "mean_lca_height": "LCA height (AHD@1)",
    "ahd_at_5": "AHD@5",
    "ahd_at_20": "AHD@20",
    "mistake_severity": "mistake severity",
    "tree_induced_error": "tree-induced error (TIE)",
}
IN_LEVELS: Final = {*OF_DISTANCE, "ahd_at_1"}
MOST_CONFUSIONS: Final = 20


def in_percent(share: float) -> str:
    """Write a share in percent; a dash where there is none."""
    return "-" if math.isnan(share) else f"{100 * share:z.2f}"


def amount(measure: Measure, value: float) -> str:
    """Write a score in percent, or in levels or edges of the tree; a dash where there is none."""
    if measure.name not in IN_LEVELS:
        return in_percent(value)
    return "-" if math.isnan(value) else f"{value:z.3f}"


def bounds(measure: Measure, interval: Interval) -> str:
    """Write an interval in brackets, blank where there is none."""
    if math.isnan(interval.low):
        return ""
    digits = 3 if measure.name in IN_LEVELS else 1
    low, high = (end if measure.name in IN_LEVELS else 100 * end for end in interval)
    return f"[{low:z.{digits}f}, {high:z.{digits}f}]"


def half_width(measure: Measure, interval: Interval) -> str:
    """Write half the width of an interval, blank where there is none."""
    if math.isnan(interval.low):
        return ""
    half = (interval.high - interval.low) / 2
    return f"±{half:.2f}" if measure.name in IN_LEVELS else f"±{100 * half:.1f}"


def sections(hierarchy: Hierarchy, rules: Iterable[Rule]) -> Iterator[list[tuple[str, Measure]]]:
    """Yield what a table shows, section by section: how a row is called, and which score it has.

    Where all rules answer with paths, hP, hR and hF are one number, whatever the nodes and the average.
    """
    names = [level.name for level in hierarchy.levels]
    yield [(name, Measure("accuracy", name)) for name in names]
    yield [(f"{name}, mean over taxa", Measure("accuracy", name, average="macro")) for name in names]
    yield [(called, Measure(name)) for name, called in OF_ALL_LEVELS.items()]
    node_scores = OF_NODES if "independent" in rules else [("hP = hR = hF", OF_NODES[-1][1])]
    yield [*node_scores, ("LCA F1", Measure("lca_f1"))]
    yield [(called, Measure(name)) for name, called in OF_DISTANCE.items()]


def heading(scores: Scores) -> str:
    """Say in one line what the scores are of."""
    about = "{run}: {method}, {backbone}, epoch {epoch}, seed {seed}".format_map(scores.about)
    return f"{about}; {_images(scores)}"


def _images(scores: Scores) -> str:
    left_out = f", {scores.left_out} left out because they cannot be decoded" if scores.left_out else ""
    return f"{scores.n:,} {scores.split} images{left_out}"


def score_table(scores: Scores) -> Table:
    """Lay scores out, a column per rule of decoding, and in the last how many images each row is of."""
    table = Table()
    table.add_column("%, or levels of the tree")
    table.add_column("labels", justify="right")
    for rule in scores.rules:
        table.add_column(rule, justify="right")
    table.add_column("majority", justify="right")
    table.add_column("images", justify="right")
    spread = bounds if len(scores.rules) <= 2 else half_width
    for rows in sections(scores.hierarchy, scores.rules):
        for i, (called, measure) in enumerate(rows):
            _add_row(table, scores, called, measure, spread, last=i == len(rows) - 1)
    return table


def _add_row(
    table: Table, scores: Scores, called: str, measure: Measure, spread: Callable[[Measure, Interval], str],
    *, last: bool,
) -> None:  # fmt: skip
    found = [each.estimate(*measure) for each in scores.rules.values()]
    there = [each for each in found if each is not None]
    if not there:
        return
    cells = ["-" if each is None else _cell(each, spread) for each in found]
    level = _level_of(next(iter(scores.rules.values())), measure)
    images = " / ".join(dict.fromkeys(f"{each.n:,}" for each in there))
    table.add_row(called, level[0], *cells, level[1], images, end_section=last)


def _cell(estimate: Estimate, spread: Callable[[Measure, Interval], str]) -> str:
    said = spread(estimate.measure, estimate.by_sample)
    return f"{amount(estimate.measure, estimate.value)} {said}".rstrip()


def _level_of(scores: LabelScores, measure: Measure) -> tuple[str, str]:
    """Return how many labels a level has, and what always answering its commonest would score; blank elsewhere."""
    if measure.name != "accuracy" or measure.average == "macro":
        return "", ""
    level = next(each for each in scores.levels if each.level == measure.level)
    return f"{level.labels:,}", in_percent(level.majority)


def legend(rules: Sequence[Rule], resamples: int) -> str:
    """Say what the columns are, and what the intervals mean."""
    lines = [f"{rule}: {MEANINGS[rule]}" for rule in rules]
    if resamples:
        lines.append(
            f"intervals of {CONFIDENCE:.0%} from {resamples:,} resamples of images; over classes: see --json or --csv"
        )
    return "\n".join(lines)


def taxa_of_level(taxa: DataFrame, level: str) -> Table:
    """Lay out how well the taxa of a level are told, the worst first; those without images are left out."""
    own = taxa[(taxa["level"] == level) & (taxa["images"] > 0)].sort_values("recall", kind="stable")
    table = Table()
    table.add_column(level)
    for column in ("images", "recall", "precision", "F1"):
        table.add_column(column, justify="right")
    table.add_column("most often taken for")
    for row in own.to_dict("records"):
        recall = f"{in_percent(row['recall'])} [{100 * row['recall_low']:.0f}, {100 * row['recall_high']:.0f}]"
        mistaken = f"{row['mistaken_for']} ({row['mistaken']})" if row["mistaken"] else ""
        shares = (recall, in_percent(row["precision"]), in_percent(row["f1"]))
        table.add_row(row["taxon"], str(row["images"]), *shares, mistaken)
    return table


def confusions_of_level(confused: DataFrame, level: str) -> Table:
    """Lay out which taxa of a level are taken for which others, the commonest first, some dozen of them."""
    own = confused[confused["level"] == level]
    rest = own["images"].iloc[MOST_CONFUSIONS:]
    more = f"{len(rest):,} more pairs, {rest.sum():,} images: see --csv" if len(rest) else None
    table = Table(caption=more)
    for column in (level, "taken for"):
        table.add_column(column)
    for column in ("images", "%"):
        table.add_column(column, justify="right")
    table.add_column("both are")
    for row in own.head(MOST_CONFUSIONS).to_dict("records"):
        table.add_row(row["true"], row["predicted"], str(row["images"]), in_percent(row["share"]), row["shared"])
    return table
