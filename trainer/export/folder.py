"""A folder for a hub of models: weights, what they are, and a model card."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import msgspec

from taxonomy import HiertaxError
from taxonomy.files import write_json
from trainer.evaluation.scores import Scores
from trainer.export.about import About
from trainer.export.write import export
from trainer.inference.predictor import Predictor


def export_folder(predictor: Predictor, folder: Path, scores: Scores | None = None) -> Path:
    """Write ``model.safetensors``, ``config.json`` and the model card ``README.md``.

    Parameters
    ----------
    folder
        It must not be there yet, but the folder above must.
    scores
        What the card tells of how good it is.

    Raises
    ------
    HiertaxError
        If it is there, cannot be written, or the network cannot be exported; then there is no folder.
    """
    check_folder(folder)
    try:
        part = Path(mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    except OSError as error:
        raise HiertaxError(f"{folder}: cannot be written: {error.strerror}; choose another place") from None
    try:
        export(predictor, part / "model.safetensors")
        about = About.of(predictor, "fp32")
        write_json(part / "config.json", _config(about))
        (part / "README.md").write_text(model_card(about, scores), encoding="utf-8")
        part.chmod(0o755)
        part.rename(folder)
    except OSError as error:
        raise HiertaxError(f"{folder}: cannot be written: {error.strerror}; free some space") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def check_folder(folder: Path) -> None:
    """Refuse a folder that is there, or of which the folder above is not.

    Raises
    ------
    HiertaxError
        If that is so.
    """
    if folder.exists():
        raise HiertaxError(f"{folder}: is there already; remove it, or name another")
    if not folder.parent.is_dir():
        raise HiertaxError(f"{folder}: cannot be written: {folder.parent} is no folder; make it first")


def model_card(about: About, scores: Scores | None = None) -> str:
    """Return the model card as Markdown."""
    config, levels = about.config, about.hierarchy.levels
    lines = [
        "---", "library_name: hiertax", "pipeline_tag: image-classification", "---", "",
        f"# {_escaped(config.backbone)}, {config.method}: {_escaped(', '.join(level.name for level in levels))}", "",
        f"Names what is in an image at {len(levels)} levels, from the root down. Trained for {about.epoch} epochs on "
        f"{_escaped(config.data)} by hiertrain; images of {config.image_size} px.", "",
        "| level | labels |", "|---|---|", *(f"| {_escaped(level.name)} | {len(level)} |" for level in levels), "",
        "Probabilities are calibrated." if about.answering.is_calibrated else "Probabilities are not calibrated.", "",
    ]  # fmt: skip
    return "\n".join([*lines, *_numbers(scores)])


def _numbers(scores: Scores | None) -> list[str]:
    if scores is None:
        return ["It was not scored when it was exported.", ""]
    rows = [
        f"| {_escaped(level.level)} | {100 * level.accuracy:.1f} % | {level.known} |" for level in scores.path.levels
    ]
    head = [
        f"Accuracy on {scores.n} test images, by whole paths:",
        "",
        "| level | accuracy | images |",
        "|---|---|---|",
    ]
    return [*head, *rows, ""]


def _config(about: About) -> Any:
    metadata = about.to_metadata()
    return {name: value if name == "format" else msgspec.json.decode(value) for name, value in metadata.items()}


def _escaped(text: str | None) -> str:
    return "".join(f"\\{c}" if c in "\\|<>[]*_`" else " " if c in "\r\n" else c for c in text or "its data")
