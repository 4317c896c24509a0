"""The report as one HTML page that loads nothing, sends nothing, and shows every name as the text that it is."""

from __future__ import annotations

import base64
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from taxonomy.formats.html import tree_script
from taxonomy.metrics import CONFIDENCE, RESAMPLES
from trainer.evaluation.text import in_percent
from trainer.inference.answers import percent
from trainer.reporting.draw import BEFORE, DASHES, FEWEST, colour

if TYPE_CHECKING:
    from jinja2 import Environment

    from trainer.reporting.report import Report

TEMPLATES: Final = ("page.html.jinja", "parts.html.jinja", "tree.html.jinja", "cases.html.jinja", "page.css")


def render(report: Report) -> str:
    """Return the page."""
    script = tree_script()
    return _environment().get_template("page.html.jinja").render(r=report, script=script, seal=_seal(script)) + "\n"


@cache
def _environment() -> Environment:
    import jinja2  # slow to import

    folder = files("trainer.reporting") / "templates"
    parts = {name: (folder / name).read_text(encoding="utf-8") for name in TEMPLATES}
    env = jinja2.Environment(
        loader=jinja2.DictLoader(parts), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    env.globals |= {
        "colour": colour, "dashes": lambda i: DASHES[i % len(DASHES)], "before": BEFORE, "share": in_percent,
        "percent": percent,
        "confidence": f"{100 * CONFIDENCE:.0f} %", "resamples": RESAMPLES, "fewest": FEWEST,
    }  # fmt: skip
    return env


def _seal(script: str) -> str:
    """Return what names a script in the page's policy, so that no other runs."""
    return f"sha256-{base64.b64encode(sha256(script.encode()).digest()).decode()}"
