"""One self-contained HTML page on some runs: scores, learning curves, images and their chains."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from math import nan
from pathlib import Path
from typing import Any

from jinja2 import Environment
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from taxonomy import Hierarchy, HiertaxError
from taxonomy.datasets.shards import open_image
from taxonomy.files import write_atomic
from trainer.evaluation.scoring import evaluate, label_runs
from trainer.evaluation.text import in_percent
from trainer.inference.answers import Answer, percent
from trainer.inference.predictor import Predictor
from trainer.runs.log import read_log
from trainer.runtime.progress import Reporter

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")  # Okabe and Ito's, safe for all eyes
THUMBNAIL = 192  # pixels


@dataclass(frozen=True)
class Shown:
    """An image of the page: its picture, its true labels where known, and each run's answer."""

    name: str
    picture: str
    truth: tuple[str, ...]
    answers: Mapping[str, Answer]


def write_report(paths: Sequence[Path], images: Sequence[Path], out: Path, reporter: Reporter) -> None:
    """Write the page about runs on one hierarchy.

    Parameters
    ----------
    paths
        The run folders.
    images
        Images to show with each run's chain. Where an image's folder is named like a class, that is its truth.

    Raises
    ------
    HiertaxError
        If a run or image cannot be read, or the runs are on different hierarchies.
    """
    runs = {label: Predictor.load(path) for label, path in label_runs(paths).items()}
    hierarchies = {run.hierarchy for run in runs.values()}
    if len(hierarchies) != 1:
        raise HiertaxError(f"{', '.join(map(str, paths))}: trained on different hierarchies; report on one at a time")
    hierarchy = hierarchies.pop()
    scores = {label: evaluate(run, reporter, resamples=0) for label, run in runs.items()}
    template = Environment(autoescape=True).from_string(
        (files("trainer.reporting") / "report.html").read_text(encoding="utf-8")
    )
    page = template.render(
        percent=percent,
        share=in_percent,
        hierarchy=hierarchy,
        scores=scores,
        colours=dict(zip(scores, COLOURS * len(scores), strict=False)),
        curves=_curves({label: read_log(run.run) for label, run in runs.items()}, hierarchy),
        images=_shown(runs, images, hierarchy),
    )
    write_atomic(out, page.encode())


def _shown(runs: Mapping[str, Predictor], images: Sequence[Path], hierarchy: Hierarchy) -> list[Shown]:
    answers = {label: run.predict(images) for label, run in runs.items()}
    return [
        Shown(
            name=image.name,
            picture=_data_url(image),
            truth=hierarchy.lineage(image.parent.name) if image.parent.name in hierarchy.class_index else (),
            answers={run: given[i] for run, given in answers.items()},
        )
        for i, image in enumerate(images)
    ]


def _data_url(path: Path) -> str:
    with Image.open(open_image(path)) as image:
        small = image.convert("RGB")
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


@rc_context({"text.parse_math": False})  # a dollar in a name is a dollar
def _curves(logs: Mapping[str, list[dict[str, Any]]], hierarchy: Hierarchy) -> str:
    """Draw test accuracy over epochs, one panel per level and one line per run, as inline SVG."""
    figure = Figure(figsize=(3.4 * hierarchy.depth, 2.9), layout="constrained")
    panels = figure.subplots(1, hierarchy.depth, sharey=True, squeeze=False)[0]
    for panel, level in zip(panels, hierarchy.levels, strict=True):
        for (run, rows), colour in zip(logs.items(), COLOURS * len(logs), strict=False):
            scored = f"test_{level.name}" if f"test_{level.name}" in rows[0] else f"val_{level.name}"
            epochs, accuracy = zip(
                *((row["epoch"], nan if row[scored] is None else 100 * row[scored]) for row in rows), strict=True
            )
            panel.plot(epochs, accuracy, color=colour, label=run, linewidth=1.8)
        panel.set_title(f"{level.name} ({len(level)})", fontsize=10)
        panel.set_xlabel("epoch")
        panel.grid(color="#e5e5e5")
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_ylim(0, 100)
    panels[0].set_ylabel("test accuracy, %")
    panels[-1].legend(frameon=False, fontsize=8, loc="lower right")
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
