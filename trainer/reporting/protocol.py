"""How runs came about: what they were asked for, of what they learned, and on what they were scored."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch

from taxonomy import HiertaxError
from taxonomy.datasets.notes import counted
from trainer.config import RUNTIME_FIELDS, Config
from trainer.inference.answering.calibrate import ORIGINS
from trainer.reporting.gather import RunFacts
from trainer.runs.calibration import Calibration

ALWAYS: Final = (  # settings that are told whatever they are
    "method", "backbone", "weights", "freeze_backbone", "pool", "image_size", "epochs", "batch_size", "optimizer",
    "learning_rate", "backbone_learning_rate", "weight_decay", "val_fraction", "seed",
)  # fmt: skip
ELSEWHERE: Final = ("hierarchy", *RUNTIME_FIELDS)  # told in other rows, or of no consequence for what is learned
OWN: Final = ("time", "weights that answer")  # in which any two runs differ
SEAL: Final = 12  # digits of a hash that are shown


@dataclass(frozen=True)
class ProtocolRow:
    """A row of the protocol: what it tells, of each run, and whether it is the name of a setting."""

    name: str
    values: tuple[str, ...]
    is_setting: bool = False

    @property
    def differs(self) -> bool:
        """Whether runs differ in it."""
        return len(set(self.values)) > 1

    @property
    def is_notable(self) -> bool:
        """Whether they differ in what might have been the same."""
        return self.differs and self.name not in OWN


@dataclass(frozen=True)
class Protocol:
    """All rows: of data and outcome, of settings that matter, and of those that are as they are by default."""

    facts: tuple[ProtocolRow, ...]
    settings: tuple[ProtocolRow, ...]
    defaults: tuple[ProtocolRow, ...]


def protocol(runs: Sequence[RunFacts]) -> Protocol:
    """Return how runs came about."""
    facts = (ProtocolRow(name, tuple(tell(run) for run in runs)) for name, tell in _FACTS.items())
    configs, plain = [run.predictor.config for run in runs], Config()
    settings: list[ProtocolRow] = []
    defaults: list[ProtocolRow] = []
    for name in Config.__dataclass_fields__:
        if name in ELSEWHERE:
            continue
        row = ProtocolRow(name, tuple(_written(getattr(config, name)) for config in configs), is_setting=True)
        is_plain = not row.differs and getattr(configs[0], name) == getattr(plain, name)
        (defaults if is_plain and name not in ALWAYS else settings).append(row)
    return Protocol(tuple(row for row in facts if any(row.values)), tuple(settings), tuple(defaults))


def _written(value: Any) -> str:
    """Write a setting as a TOML file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _images(run: RunFacts) -> str:
    if run.scored is None:
        return ""
    dataset = run.scored.task.dataset
    config = run.predictor.config
    train, held = dataset.to_learn(config.limit_per_class, config.val_fraction)
    validated = f", {len(held):,} to validate on" if len(held) else ""
    return f"{len(train):,} to train on{validated}, {len(dataset.test):,} to score ({dataset.scored})"


def _data(run: RunFacts) -> str:
    if run.scored is not None:
        return str(run.scored.task.dataset.root)
    return str(run.predictor.config.data_folder)


def _hierarchy(run: RunFacts) -> str:
    levels = ", ".join(f"{level.name} {len(level):,}" for level in run.hierarchy.levels)
    return f"{run.hierarchy.name}, of {run.hierarchy.root}: {levels}"


def _origin(run: RunFacts) -> str:
    source = run.hierarchy.source
    parts = [str(source[name]) for name in ("kind", "command") if source.get(name)]
    restricted = source.get("restricted")
    if isinstance(restricted, Mapping) and {"classes", "of"} <= restricted.keys():
        parts.append(f"{restricted['classes']:,} of {restricted['of']:,} classes have training images")
    return "; ".join([*parts, f"content {run.hierarchy.content_hash[:SEAL]}"])


def _epochs(run: RunFacts) -> str:
    asked, done, answering = run.predictor.config.epochs, len(run.log), run.predictor.epoch
    trained = f"{done:,}" if done == asked else f"{done:,} of {asked:,}"
    return trained if answering == done else f"{trained}; answers are of epoch {answering:,}, the best validated"


def _calibration(run: RunFacts) -> str:
    if not run.predictor.answering.is_calibrated:
        return "none: probabilities are as the heads state them"
    try:
        found = Calibration.load(run.predictor.run)
    except HiertaxError:  # of a model that was loaded before it was spoilt
        return "calibrated"
    temperatures = ", ".join(f"{t:.2f}" for t in found.temperatures)
    return f"on {counted(found.n, 'image')} {ORIGINS[found.images]}; temperatures {temperatures}"


def _time(run: RunFacts) -> str:
    seconds = [row["seconds"] for row in run.log if row.get("seconds") is not None]
    memory = [row["memory_mib"] for row in run.log if row.get("memory_mib") is not None]
    if not seconds:
        return ""
    total = sum(seconds)
    spent = f"{total:.0f} s" if total < 120 else f"{total / 60:.0f} min" if total < 7200 else f"{total / 3600:.1f} h"
    return f"{spent} in epochs{f', at most {max(memory):,} MiB of memory' if memory else ''}"


def _checkpoint(run: RunFacts) -> str:
    return f"{run.predictor.seal()[:SEAL]}, of {run.predictor.run}"


def _scored_on(run: RunFacts) -> str:
    where = f"{run.predictor.compute}; torch {torch.__version__}, Python {platform.python_version()}"
    return f"{where}, {platform.system()} {platform.machine()}"


_FACTS: Final[Mapping[str, Callable[[RunFacts], str]]] = {
    "hierarchy": _hierarchy, "made by": _origin, "data": _data, "images": _images, "epochs trained": _epochs,
    "time": _time, "calibration": _calibration, "weights that answer": _checkpoint, "scored on": _scored_on,
}  # fmt: skip
