"""One self-contained HTML page of an analysis, and the same in a few lines of text."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import msgspec

from taxonomy.datasets.notes import counted
from taxonomy.files import write_atomic
from taxonomy.study.analysis import Analysis, Share
from taxonomy.study.bootstrap import FEWEST
from taxonomy.study.figures import draw_figures

TEMPLATE = "study.html.jinja"
SYNTHETIC = "SYNTHETIC: made up or tried out; no participant was asked, and nothing is replicated"


def write_report(analysis: Analysis, folder: Path) -> list[Path]:
    """Write ``study.html``, its figures as PNG files and ``analysis.json`` into a folder.

    Returns
    -------
    The files written.

    Raises
    ------
    HiertaxError
        If one cannot be written; the page comes last.
    """
    figures = draw_figures(analysis)
    contents = {f"{name}.png": content for name, content in figures.items()}
    contents["analysis.json"] = msgspec.json.format(msgspec.json.encode(analysis.to_json()), indent=1) + b"\n"
    contents["study.html"] = page(analysis, figures).encode()
    for name, content in contents.items():
        write_atomic(folder / name, content)
    return [folder / name for name in contents]


def page(analysis: Analysis, figures: Mapping[str, bytes]) -> str:
    """Return the page; all text is escaped, and its policy forbids it to load or send anything."""
    import jinja2

    source = (files("taxonomy.study") / TEMPLATE).read_text(encoding="utf-8")
    env = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    env.filters |= {"percent": percent, "number": number, "seconds": seconds, "counted": counted}
    images = {name: f"data:image/png;base64,{base64.b64encode(content).decode()}" for name, content in figures.items()}
    template = env.from_string(source)
    return template.render(a=analysis, figures=images, synthetic=SYNTHETIC, fewest=FEWEST) + "\n"


def percent(share: float) -> str:
    """Return a share as a percentage with one decimal, without its sign; a dash where unknown."""
    return f"{100 * share:.1f}" if math.isfinite(share) else "\u2013"


def number(value: float) -> str:
    """Return a number with three significant digits; a dash where unknown."""
    return f"{value:.3g}" if math.isfinite(value) else "\u2013"


def seconds(milliseconds: float) -> str:
    """Return a time in seconds with two decimals; a dash where unknown."""
    return f"{milliseconds / 1000:.2f}" if math.isfinite(milliseconds) else "\u2013"


def text(analysis: Analysis) -> str:
    """Return what the command prints: what was left out, Table 1, Figs. 2a to 2c, and the tests."""
    e = analysis.exclusion
    lines = [SYNTHETIC] if analysis.is_synthetic else []
    lines += [f"note: {note}" for note in analysis.notes]
    lines += [
        f"{analysis.study_id}: {e.people_before} people",
        f"left out: images with fewer than {e.least} responses: {e.images_before - e.images_after} of "
        f"{e.images_before} images, {e.responses_before - e.responses_after} of {e.responses_before} responses, "
        f"{e.people_before - e.people_after} of {e.people_before} people",
    ]
    titles = {
        "table1": "Table 1: chosen at stage 1",
        "fig2a": "Fig. 2a: more than one label wanted, of those who chose",
        "fig2b": "Fig. 2b: chosen at stage 1, by group",
        "fig2c": "Fig. 2c: more than one label wanted, by group",
    }
    for name, title in titles.items():
        lines += ["", title, *(_line(share) for share in analysis.table(name) if _is_shown(share))]
    return "\n".join([*lines, "", *_tests(analysis)])


def _is_shown(share: Share) -> bool:
    return share.table != "fig2c" or share.option is None


def _line(share: Share) -> str:
    group = "" if share.group is None else f"group {share.group} ({counted(share.people, 'person', 'people')}) "
    name = f"{group}{share.option or 'any label'}"
    why = "all people alike" if share.people >= FEWEST else f"fewer than {FEWEST} people"
    known = math.isfinite(share.low)
    ends = f"[{percent(share.low)}, {percent(share.high)}]" if known else f"no interval ({why})"
    paper = f"  paper {share.published.percent:.1f} ({share.published.kind})" if share.published else ""
    return f"  {name:<30} {share.count:>6} of {share.of:>6} = {percent(share.share):>5} %  {ends}{paper}"


def _tests(analysis: Analysis) -> list[str]:
    s, g = analysis.sign_test, analysis.agreement
    lines = [
        f"trend over groups, {t.answer}: odds x {number(t.odds_ratio)} a group [{number(t.low)}, {number(t.high)}], "
        f"P = {number(t.p)} (GEE); Cochran-Armitage z = {number(t.armitage_z)}, P = {number(t.armitage_p)}"
        f"{f' ({t.note})' if t.note else ''}"
        for t in analysis.trends
    ]
    return [
        *lines,
        f"more than one label wanted by most: {s.above} people above half, {s.below} below, {counted(s.ties, 'tie')}; "
        f"P = {number(s.p)} (sign test)",
        f"agreement on stage 1: {g.measure} = {number(g.value)} ({g.images} images, {g.raters} raters)",
    ]
