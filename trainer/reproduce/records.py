"""What is kept of a finished run beside its checkpoint: ``result.json``, and the labels that it gave."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from taxonomy import Hierarchy, HiertaxError
from taxonomy.files import read_bytes, write_atomic, write_json
from taxonomy.metrics import Predictions
from trainer.config import Config
from trainer.runs.log import Row

if TYPE_CHECKING:
    from taxonomy.hierarchy import IntArray
    from trainer.evaluation.scores import Scores
    from trainer.inference.decoding import Rule

RESULT: Final = "result.json"
LABELS: Final = "labels.npz"
HIERARCHY: Final = "hierarchy.json"
WHOLE: Final = {"average": "average_accuracy", "all right": "full_path_accuracy"}  # measures that are of no level
SUMMARY: Final = ("average_accuracy", "full_path_accuracy", "tree_inconsistency", "mistake_severity")


@dataclass(frozen=True)
class Level:
    """The scores of a level, as shares; None where no image knows it.

    Attributes
    ----------
    accuracy, path_accuracy
        Of each head by itself, as in the paper, and of one consistent path.
    majority
        What always answering the commonest label would score.
    """

    level: str
    labels: int
    accuracy: float | None
    path_accuracy: float | None
    macro_accuracy: float | None
    majority: float | None


@dataclass(frozen=True)
class Record:
    """A finished run in numbers.

    Attributes
    ----------
    name, source, row
        As of `trainer.reproduce.cells.Cell`.
    train, test, left_out
        How many images were trained on and scored, and how many of the latter could not be decoded.
    levels, scores
        The scores: of levels, and by the rules ``independent`` and ``path`` those of whole answers.
    parameters
        How many weights the network has.
    minutes, images_per_second, memory_mib
        What training took; None of heads on features that several runs share.
    computed_on, commit
        The machine and the version of this program, where they are known.
    seal
        The hash of the checkpoint that was scored; None of a run that keeps none.
    config
        The run's settings.
    validation
        Each head's accuracy by level on the images to validate on; None where there are none.
    """

    name: str
    source: str
    row: str
    seed: int
    method: str
    epochs: int
    train: int
    test: int
    left_out: int
    levels: tuple[Level, ...]
    scores: dict[str, dict[str, float | None]]
    parameters: int
    minutes: float | None
    images_per_second: float | None
    memory_mib: float | None
    computed_on: str
    commit: str | None
    seal: str | None
    config: dict[str, Any]
    validation: dict[str, float | None] | None = None

    def value(self, measure: str) -> float:
        """Return a score of the rule ``independent``: one in `WHOLE`, ``finest``, ``coarsest`` or a level's name."""
        if measure in WHOLE:
            found = self.scores["independent"][WHOLE[measure]]
        else:
            places = {"coarsest": 0, "finest": -1}
            names = [level.level for level in self.levels]
            found = self.levels[places[measure] if measure in places else names.index(measure)].accuracy
        return math.nan if found is None else found

    def validated(self, measure: str) -> float:
        """Return a level's accuracy on the images to validate on, or their ``average``; NaN where there is none."""
        found = self.validation or {}
        wanted = found.values() if measure == "average" else [found.get(measure)]
        return mean(math.nan if each is None else each for each in wanted) if wanted else math.nan

    def on_path(self, level: int) -> float:
        """Return the accuracy of a level along one path; NaN where there is none."""
        found = self.levels[level].path_accuracy
        return math.nan if found is None else found

    def whole(self, name: str, rule: Rule) -> float:
        """Return a score of whole answers by a rule; NaN where there is none."""
        found = self.scores[rule][name]
        return math.nan if found is None else found

    def settings(self) -> Config:
        """Return the run's settings as a value."""
        return Config.from_json(self.config)


def read_record(folder: Path) -> Record | None:
    """Read the record of a run; None where there is none.

    Raises
    ------
    HiertaxError
        If it is not readable.
    """
    file = folder / RESULT
    if not file.is_file():
        return None
    try:
        return msgspec.json.decode(read_bytes(file), type=Record)
    except msgspec.DecodeError as error:
        raise HiertaxError(f"{file}: not a result of a run ({error}); remove it, and it is made anew") from None


def write_record(folder: Path, record: Record, scores: Scores) -> None:
    """Keep the record of a run, its hierarchy, and the labels that it gave; the record last."""
    arrays = {f"{rule}_labels": each.labels.astype(np.int32) for rule, each in scores.predictions.items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / LABELS, _npz(truth=scores.truth.astype(np.int32), **arrays))
    if not (folder / HIERARCHY).exists():
        scores.hierarchy.save(folder / HIERARCHY)
    write_json(folder / RESULT, asdict(record))


def _npz(**arrays: Any) -> bytes:
    import io

    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def read_labels(folder: Path, rule: Rule = "independent") -> tuple[Hierarchy, IntArray, Predictions]:
    """Return the hierarchy of a run, the true labels of its test images ``[N, K]``, and those that it gave."""
    with np.load(folder / LABELS) as found:
        truth, labels = (found[name].astype(np.int64) for name in ("truth", f"{rule}_labels"))
    return Hierarchy.load(folder / HIERARCHY), truth, Predictions(labels)


def levels_of(scores: Scores) -> tuple[Level, ...]:
    """Return the scores of all levels."""
    paths = {level.level: level for level in scores.path.levels}
    return tuple(
        Level(
            each.level, each.labels, _known(each.accuracy), _known(paths[each.level].accuracy),
            _known(each.macro_accuracy), _known(each.majority),
        )
        for each in scores.heads.levels
    )  # fmt: skip


def summaries(scores: Scores) -> dict[str, dict[str, float | None]]:
    """Return the scores of whole answers by each rule."""
    return {rule: {name: _known(getattr(of, name)) for name in SUMMARY} for rule, of in scores.rules.items()}


def costs(rows: list[Row]) -> dict[str, float | None]:
    """Return what training took, as far as a log says."""
    found: Mapping[str, float | None] = {
        "minutes": sum(row["seconds"] for row in rows) / 60,
        "images_per_second": median(row["images_per_second"] for row in rows),
        "memory_mib": max(row["memory_mib"] for row in rows) or None,
    }
    return dict(found)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


@cache
def commit() -> str | None:
    """Return the commit of this program where it runs from a clone of its repository, with + where it was changed."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        asked = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
        return subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout.strip() or None  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
