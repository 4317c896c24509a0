"""Table 1 and Fig. 2, of the human study (the paper, section 3): its numbers, and those of responses beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from taxonomy import Hierarchy
from taxonomy.study.published import Published, values
from trainer.reproduce.tables import Table

if TYPE_CHECKING:
    from taxonomy.study.analysis import Analysis, Share

TITLES: Final = {"table1": "Table 1: the label that people choose", "fig2": "Fig. 2: who wants more than one label"}
PARTS: Final = {"table1": ("table1",), "fig2": ("fig2a", "fig2b", "fig2c")}
MEANINGS: Final = {
    "table1": "share of all responses",
    "fig2a": "share that wants more than one label, of those who chose the option",
    "fig2b": "share of the responses of a group",
    "fig2c": "share that wants more than one label, of a group's responses other than none",
}
NOTES: Final = (
    "Table 1 is printed in the paper; Fig. 2 was read off its picture (+-0.3 points).",
    "'Only 36.4 % of all returned choices prefer just a single label': 36.4 % is the share that chose species; by "
    "Fig. 2a and Table 1 together 35.7 % want one label.",
    "No sizes of the groups turn the shares of Fig. 2b into those of Table 1.",
    "Those who chose none were not asked for more labels; they are no part of Figs. 2a and 2c.",
)  # fmt: skip


def analysed(responses: Path, hierarchy: Path, plan: Path | None) -> Analysis:
    """Return the analysis of responses, as `hiertax study analyse` makes it.

    Raises
    ------
    HiertaxError
        If a file is missing or wrong.
    """
    from taxonomy.study.analysis import analyse
    from taxonomy.study.plan import check_hierarchy, load_plan
    from taxonomy.study.responses import read_responses

    tree = Hierarchy.load(hierarchy)
    made = None if plan is None else load_plan(plan)
    if made is not None:
        check_hierarchy(made, tree)
    return analyse(read_responses(responses, tree, made), tree, made)


def tables(name: str, analysis: Analysis | None) -> dict[str, Table]:
    """Return the tables of ``table1`` or ``fig2``."""
    return {part: _table(part, analysis) for part in PARTS[name]}


def _table(part: str, analysis: Analysis | None) -> Table:
    ours = {} if analysis is None else {(share.group, share.option): share for share in analysis.table(part)}
    paper = {(each.group, each.option): each for each in values() if each.table == part}
    rows = [_row(place, paper.get(place), ours.get(place)) for place in dict.fromkeys([*paper, *ours])]
    synthetic = " (SYNTHETIC RESPONSES: no person was asked)" if analysis is not None and analysis.is_synthetic else ""
    header = ("group", "option", "paper, %", "kind", "ours, %", "95 % over people", "responses", "people", "difference")
    return Table(f"{part}: {MEANINGS[part]}{synthetic}", header, tuple(rows), texts=(0, 1, 3))


def _row(place: tuple[int | None, str | None], paper: Published | None, ours: Share | None) -> tuple[str, ...]:
    group, option = place
    named = ("all" if group is None else str(group), option or "all", *_paper(paper))
    if ours is None:
        return (*named, "", "", "", "", "")
    share = 100 * ours.share
    interval = "" if ours.low != ours.low else f"[{100 * ours.low:.1f}, {100 * ours.high:.1f}]"
    difference = "" if paper is None else f"{share - paper.percent:+.1f}"
    return (*named, f"{share:.1f}", interval, f"{ours.count} of {ours.of}", str(ours.people), difference)


def _paper(paper: Published | None) -> tuple[str, str]:
    return ("", "") if paper is None else (f"{paper.percent:.1f}", paper.kind)


def figures(analysis: Analysis | None) -> dict[str, bytes]:
    """Return the charts of an analysis, PNG by name; none without responses."""
    if analysis is None:
        return {}
    from taxonomy.study.figures import draw_figures

    return {name: picture for name, picture in draw_figures(analysis).items() if name.startswith("fig2")}


def as_json(name: str, found: dict[str, Table], analysis: Analysis | None, command: str) -> dict[str, Any]:
    """Return it as JSON values."""
    rows = {part: [dict(zip(table.header, row, strict=True)) for row in table.rows] for part, table in found.items()}
    return {
        "format": "hiertax-results", "version": 1, "experiment": name, "title": TITLES[name], "command": command,
        "synthetic": None if analysis is None else analysis.is_synthetic, "tables": rows, "notes": list(NOTES),
    }  # fmt: skip
