"""What an exported file says of itself: all that its logits need to become answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from taxonomy import Hierarchy, HiertaxError
from trainer.config import Config
from trainer.inference.answering.answer import Answering
from trainer.inference.answers import percent
from trainer.inference.decoding import RULES
from trainer.inference.predictor import Predictor
from trainer.models.stored import header_hash

FORMAT: Final = "hiertax-export"


@dataclass(frozen=True)
class About:
    """What goes with exported weights.

    Attributes
    ----------
    answering
        How logits become answers: the K levels, whose labels are in the order of the logits, the decoding, the
        calibration where the run has one, and what was wished for.
    config
        The settings of the run; of its paths only the last part.
    epoch
        How many epochs it was trained for.
    mean, std
        What was taken from pixels in 0 to 1, and what the rest was divided by.
    precision
        What the weights are stored in.
    """

    answering: Answering
    config: Config
    epoch: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    precision: str = "fp32"

    @property
    def hierarchy(self) -> Hierarchy:
        """The K levels."""
        return self.answering.hierarchy

    @classmethod
    def of(cls, predictor: Predictor, precision: str) -> About:
        """Say it of a loaded run."""
        config = predictor.config
        paths = {name: getattr(config, name) for name in ("data", "hierarchy", "weights")}
        names: dict[str, Any] = {name: path and Path(path).name for name, path in paths.items()}
        how = predictor.network.preprocessing
        return cls(
            predictor.answering, replace(config, **names), predictor.epoch, tuple(how.mean), tuple(how.std), precision
        )

    def to_metadata(self) -> dict[str, str]:
        """Return it as text by name, each value JSON but for the format."""
        values: dict[str, Any] = {
            "hierarchy": self.hierarchy.to_json(), "config": self.config.to_json(), "epoch": self.epoch,
            "image_size": self.config.image_size, "mean": self.mean, "std": self.std,
            "levels": [level.name for level in self.hierarchy.levels],
            "labels": [list(level.labels) for level in self.hierarchy.levels],
            "paths": self.hierarchy.paths.tolist(),
            "answering": {name: _plain(getattr(self.answering, name)) for name in WISHED},
            "temperatures": self.answering.temperatures, "path_weights": self.answering.path_weights,
            "decode": self.answering.decode, "precision": self.precision,
        }  # fmt: skip
        return {"format": FORMAT, **{name: msgspec.json.encode(value).decode() for name, value in values.items()}}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], file: Path) -> About:
        """Read it back.

        Raises
        ------
        HiertaxError
            If the file is not one that `hiertrain export` wrote, or was changed.
        """
        if metadata.get("format") != FORMAT:
            raise HiertaxError(f"{file}: was not written by hiertrain export; export a run: hiertrain export RUN")
        try:
            about = {name: msgspec.json.decode(value) for name, value in metadata.items() if name in _READ}
            if about["decode"] not in RULES:
                raise ValueError(f"decode {about['decode']}")
            return cls(
                _answering(Hierarchy.from_json(about["hierarchy"]), about), Config.from_json(about["config"]),
                int(about["epoch"]), tuple(about["mean"]), tuple(about["std"]), about["precision"],
            )  # fmt: skip
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, HiertaxError) as error:
            raise HiertaxError(f"{file}: was changed after it was written ({error}); export it anew") from None


WISHED: Final = (
    "rule", "confidence", "trade_off", "served", "restriction", "prior", "unknown_threshold", "unknown_score",
)  # fmt: skip
_READ = {
    "hierarchy", "config", "epoch", "mean", "std", "answering", "temperatures", "path_weights", "decode", "precision",
}  # fmt: skip


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _answering(hierarchy: Hierarchy, about: Mapping[str, Any]) -> Answering:
    """Put the answering together again; its own checks refuse settings that contradict each other."""
    asked = {"served": None, **about["answering"]}  # which files do not have that were written before audiences
    how: dict[str, Any] = {name: asked[name] for name in WISHED}
    for name, dtype in (("restriction", np.bool_), ("prior", np.float64)):
        if how[name] is not None:
            how[name] = np.asarray(how[name], dtype)
            if how[name].shape != hierarchy.sizes[-1:]:
                raise ValueError(f"{name} of {how[name].size} classes")
    if how["served"] is not None and len(how["served"]) != hierarchy.depth:
        raise ValueError(f"an audience of {len(how['served'])} levels")
    how["served"] = _floats(how["served"])
    how |= {name: _floats(about[name]) for name in ("temperatures", "path_weights")}
    return Answering(hierarchy, decode=about["decode"], **how)


def _floats(values: Any) -> tuple[float, ...] | None:
    return None if values is None else tuple(map(float, values))


def wishes_told(answering: Answering) -> str:
    """Say in a few words what answers are like that are not whole paths to any class; nothing where they are."""
    unset = Answering(answering.hierarchy)
    told = [
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name in ("decode", "rule", "confidence", "trade_off", "unknown_threshold")
        if (value := getattr(answering, name)) != getattr(unset, name)
    ]
    if answering.served is not None:
        told.append(f"for an audience ({', '.join(map(percent, answering.served))} served)")
    if answering.restriction is not None:
        told.append(f"{int(answering.restriction.sum()):,} of {len(answering.restriction):,} classes")
    if answering.prior is not None:
        told.append("a prior")
    return ", ".join(told)


def seal(metadata: Mapping[str, str], content: bytes) -> str:
    """Return the SHA-256 (hex) of all metadata but the seal, and of what it belongs to."""
    found = header_hash(metadata)
    found.update(content)
    return found.hexdigest()
